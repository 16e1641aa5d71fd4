"use strict";
// A small WebGL viewer: solids in one buffer each, an orbiting camera, mouse, touch and keys. Lengths in metres, z up.

const VERTEX = `#version 300 es
in vec3 position, normal, colour;
uniform mat4 clip_from_world;
out vec3 n, c;
void main() {
  gl_Position = clip_from_world * vec4(position, 1.0);
  n = normal; c = colour;
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec3 n, c;
uniform vec3 to_eye;
uniform float alpha;
out vec4 seen;
void main() {
  vec3 normal = normalize(n);
  float eye = dot(normal, to_eye);
  if (eye < 0.0) normal = -normal;
  float light = 0.42 + 0.38 * max(dot(normal, normalize(to_eye + vec3(0.3, -0.2, 0.8))), 0.0) + 0.2 * abs(eye);
  seen = vec4(c * light * alpha, alpha);
}`;

/** Draws solids; calls itself again whenever its camera moves. */
class Viewer {
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", {antialias: true, premultipliedAlpha: true});
    this.layers = new Map();
    this.start = {azimuth: 0, elevation: 0.4, distance: 0.8, target: [0, 0, 0]};
    this.fingers = new Map();
    this.followers = []; // viewers that are turned and zoomed with this one
    this.reset();
    if (!this.gl) return;
    this.prepare();
    canvas.addEventListener("webglcontextlost", e => e.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => {
      this.prepare();
      for (const [name, {solid, alpha, ghost}] of this.layers) this.put(name, solid, alpha, ghost);
    });
    this.listen();
    new ResizeObserver(() => this.redraw()).observe(canvas);
  }

  prepare() {
    const gl = this.gl, program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    ["position", "normal", "colour"].forEach((name, i) => gl.bindAttribLocation(program, i, name));
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
    gl.useProgram(program);
    this.at = Object.fromEntries(
      ["clip_from_world", "to_eye", "alpha"].map(name => [name, gl.getUniformLocation(program, name)]));
    gl.enable(gl.DEPTH_TEST);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  /** Show a solid under a name, in place of what had it; null shows nothing. ghost: faintly also where hidden. */
  put(name, solid, alpha = 1, ghost = false) {
    if (!this.gl) return;
    const gl = this.gl, old = this.layers.get(name);
    if (old) {
      gl.deleteVertexArray(old.array);
      gl.deleteBuffer(old.buffer);
      this.layers.delete(name);
    }
    if (solid && solid.numbers.length) {
      const array = gl.createVertexArray(), buffer = gl.createBuffer();
      gl.bindVertexArray(array);
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(solid.numbers), gl.STATIC_DRAW);
      for (let i = 0; i < 3; i++) {
        gl.enableVertexAttribArray(i);
        gl.vertexAttribPointer(i, 3, gl.FLOAT, false, 36, 12 * i);
      }
      this.layers.set(name, {solid, alpha, ghost, array, buffer, count: solid.numbers.length / 9});
    }
    this.redraw();
  }

  /** Where `reset` goes: angles [rad], distance [m], what is looked at. */
  look(start) {
    this.start = start;
    this.reset();
  }

  /** What is looked at and where `reset` goes, as `look`, but from where one looks now. */
  aim(start) {
    if (!this.aimed) this.look(start);
    this.aimed = true;
    this.start = start;
    this.target = start.target;
    this.redraw();
  }

  reset() {
    Object.assign(this, this.start);
    this.lead();
  }

  /** Show what has changed here, and by the followers. */
  lead() {
    const {azimuth, elevation, distance} = this;
    for (const viewer of [this, ...this.followers]) {
      Object.assign(viewer, {azimuth, elevation, distance});
      viewer.redraw();
    }
  }

  turn(azimuth, elevation) {
    this.azimuth += azimuth;
    this.elevation = Math.max(-0.3, Math.min(1.55, this.elevation + elevation));
    this.lead();
  }

  zoom(factor) {
    this.distance = Math.max(0.15, Math.min(3, this.distance * factor));
    this.lead();
  }

  redraw() {
    if (this.waiting || !this.gl) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = 0;
      this.draw();
    });
  }

  draw() {
    const gl = this.gl, ratio = Math.min(window.devicePixelRatio || 1, 2);
    const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const ce = Math.cos(this.elevation), se = Math.sin(this.elevation);
    const toEye = [ce * Math.cos(this.azimuth), ce * Math.sin(this.azimuth), se];
    gl.viewport(0, 0, width, height);
    gl.clearColor(0.125, 0.145, 0.185, 1);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    gl.uniform3fv(this.at.to_eye, toEye);
    gl.uniformMatrix4fv(this.at.clip_from_world, false, this.projection(toEye, width / height));
    const layers = [...this.layers.values()].sort((a, b) => b.alpha - a.alpha); // what can be seen through last
    for (const {alpha, array, count} of layers) {
      gl.bindVertexArray(array);
      gl.uniform1f(this.at.alpha, alpha);
      if (alpha < 1) { // depth first, so that only the nearest surface of it is blended
        gl.colorMask(false, false, false, false);
        gl.drawArrays(gl.TRIANGLES, 0, count);
        gl.colorMask(true, true, true, true);
        gl.depthFunc(gl.EQUAL);
        gl.enable(gl.BLEND);
      }
      gl.drawArrays(gl.TRIANGLES, 0, count);
      gl.depthFunc(gl.LESS);
      gl.disable(gl.BLEND);
    }
    gl.enable(gl.BLEND);
    gl.disable(gl.DEPTH_TEST);
    gl.uniform1f(this.at.alpha, 0.3);
    for (const {array, count} of layers.filter(layer => layer.ghost)) {
      gl.bindVertexArray(array);
      gl.drawArrays(gl.TRIANGLES, 0, count);
    }
    gl.enable(gl.DEPTH_TEST);
    gl.disable(gl.BLEND);
  }

  /** Column-major matrix from the world to clip space, looking at the target. */
  projection(toEye, aspect) {
    const z = toEye, x = [-Math.sin(this.azimuth), Math.cos(this.azimuth), 0], y = cross(z, x);
    const eye = plus(this.target, times(z, this.distance));
    const near = 0.02, far = 10, f = 1 / Math.tan(0.35) * Math.min(1, aspect), depth = (far + near) / (near - far);
    const rows = [
      [...times(x, f / aspect), -dot(x, eye) * f / aspect],
      [...times(y, f), -dot(y, eye) * f],
      [...times(z, depth), -dot(z, eye) * depth + 2 * far * near / (near - far)],
      [...times(z, -1), dot(z, eye)],
    ];
    return new Float32Array([0, 1, 2, 3].flatMap(column => rows.map(row => row[column])));
  }

  listen() {
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", e => {
      canvas.setPointerCapture(e.pointerId);
      this.fingers.set(e.pointerId, [e.clientX, e.clientY]);
    });
    canvas.addEventListener("pointermove", e => this.moved(e));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, e => this.fingers.delete(e.pointerId));
    }
    canvas.addEventListener("wheel", e => {
      e.preventDefault();
      this.zoom(Math.exp(Math.max(-60, Math.min(60, e.deltaY)) * 0.003));
    }, {passive: false});
    canvas.addEventListener("dblclick", () => this.reset());
    const keys = {ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1]};
    canvas.addEventListener("keydown", e => {
      if (keys[e.key]) this.turn(...keys[e.key]);
      else if (e.key === "+" || e.key === "=") this.zoom(0.9);
      else if (e.key === "-") this.zoom(1 / 0.9);
      else return;
      e.preventDefault();
    });
  }

  /** One finger (or the mouse) turns, the distance of two zooms. */
  moved(e) {
    const before = this.fingers.get(e.pointerId);
    if (!before) return;
    const other = [...this.fingers].find(([id]) => id !== e.pointerId);
    const now = [e.clientX, e.clientY];
    this.fingers.set(e.pointerId, now);
    if (other) {
      const apart = p => Math.hypot(p[0] - other[1][0], p[1] - other[1][1]);
      this.zoom(Math.max(1, apart(before)) / Math.max(1, apart(now)));
    } else {
      this.turn(-0.008 * (now[0] - before[0]), 0.008 * (now[1] - before[1]));
    }
  }
}
