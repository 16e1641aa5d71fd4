"use strict";
// Solids made of triangles, and the vectors that they are made with. Lengths in metres.

/** Triangles with normals and colours, to which shapes are added. */
class Solid {
  constructor() {
    this.numbers = []; // position, normal, colour: nine a corner
  }

  corner(p, n, c) {
    this.numbers.push(p[0], p[1], p[2], n[0], n[1], n[2], c[0], c[1], c[2]);
  }

  /** A mesh of convex parts; edges sharper than 35 degrees stay sharp. triangles: flat list of indices. */
  mesh(points, triangles, colour) {
    const at = i => points.slice(3 * i, 3 * i + 3);
    const faces = [], around = new Map();
    for (let t = 0; t < triangles.length; t += 3) {
      const corners = triangles.slice(t, t + 3);
      const [a, b, c] = corners.map(at);
      const across = cross(minus(b, a), minus(c, a)); // its length weighs large faces more
      const face = {corners, across, normal: unit(across)};
      faces.push(face);
      for (const i of corners) around.set(i, [...(around.get(i) || []), face]);
    }
    for (const {corners, normal} of faces) {
      for (const i of corners) {
        const near = around.get(i).filter(f => dot(f.normal, normal) > Math.cos(35 * Math.PI / 180));
        this.corner(at(i), unit(near.reduce((sum, f) => plus(sum, f.across), [0, 0, 0])), colour);
      }
    }
  }

  /** A smooth surface. points: null where there is none. triangles: three indices each. colours: of each point. */
  sheet(points, triangles, colours) {
    const sums = points.map(() => [0, 0, 0]);
    for (const corners of triangles) {
      const [a, b, c] = corners.map(i => points[i]), across = cross(minus(b, a), minus(c, a));
      for (const i of corners) sums[i] = plus(sums[i], across);
    }
    for (const corners of triangles) {
      for (const i of corners) this.corner(points[i], unit(sums[i]), colours[i]);
    }
  }

  /** A round solid along from a to b: rings of [share of the way, metres beyond it, radius, slope of the normal]. */
  turned(a, b, rings, colour, sides = 20) {
    const along = unit(minus(b, a)), length = norm(minus(b, a));
    const u = unit(cross(along, Math.abs(along[2]) < 0.9 ? [0, 0, 1] : [1, 0, 0])), v = cross(along, u);
    const ring = rings.map(([share, beyond, radius, slope]) => {
      const centre = plus(a, times(along, share * length + beyond));
      return Array.from({length: sides + 1}, (_, k) => {
        const angle = 2 * Math.PI * k / sides;
        const out = plus(times(u, Math.cos(angle)), times(v, Math.sin(angle)));
        return [plus(centre, times(out, radius)), unit(plus(out, times(along, slope)))];
      });
    });
    for (let i = 0; i + 1 < ring.length; i++) {
      for (let k = 0; k < sides; k++) {
        for (const [r, s] of [[i, k], [i, k + 1], [i + 1, k], [i + 1, k], [i, k + 1], [i + 1, k + 1]]) {
          this.corner(...ring[r][s], colour);
        }
      }
    }
  }

  /** Two half spheres and what lies between them; a = b gives a sphere. */
  capsule(a, b, radius, colour) {
    if (norm(minus(b, a)) < 1e-6) b = plus(a, [0, 0, 1e-6]);
    const rings = [];
    for (let i = 0; i <= 16; i++) {
      const angle = Math.PI * (i / 16 - 0.5);
      const slope = Math.tan(Math.max(-1.55, Math.min(1.55, angle)));
      if (i === 8) rings.push([0, 0, radius, 0]);
      rings.push([i < 8 ? 0 : 1, radius * Math.sin(angle), radius * Math.cos(angle), slope]);
    }
    this.turned(a, b, rings, colour);
  }

  /** A line with a head, `length` metres from a along the unit vector. */
  arrow(a, direction, length, radius, colour) {
    const b = plus(a, times(direction, length));
    const head = -Math.min(5 * radius, 0.4 * length);
    this.turned(a, b, [[0, 0, radius, 0], [1, head, radius, 0], [1, head, 2.4 * radius, -1], [1, 0, 0, 0.5]], colour);
  }

  disc(centre, radius, colour) {
    for (let k = 0; k < 64; k++) {
      const rim = i => plus(centre, [radius * Math.cos(i * Math.PI / 32), radius * Math.sin(i * Math.PI / 32), 0]);
      for (const p of [centre, rim(k), rim(k + 1)]) this.corner(p, [0, 0, 1], colour);
    }
  }
}

const plus = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
const minus = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const times = (a, s) => [a[0] * s, a[1] * s, a[2] * s];
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
const norm = a => Math.hypot(...a);
const unit = a => times(a, 1 / (norm(a) || 1));
