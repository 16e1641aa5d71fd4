// One model's answer to the chosen set: its grasps turning in 3-D, scores, and what was rejected.

/** Reads a set's packed grasps: contacts and normals (3 triples each) and the ends of the hand's links [m]. */
function readGrasps(answer) {
  if (!answer.geometry) return [];
  const numbers = unpack(answer.geometry, Int16Array), each = numbers.length / (answer.scores.length || 1);
  return answer.scores.map((score, i) => {
    const own = Array.from(numbers.subarray(i * each, (i + 1) * each));
    return {
      score,
      contacts: triples(own.slice(0, 9).map(x => x * data.unit)),
      normals: triples(own.slice(9, 18).map(x => x * data.normal_unit)).map(unit),
      ends: triples(own.slice(18).map(x => x * data.unit)),
      residuals: answer.residuals[i],
      joints: answer.joints[i],
    };
  });
}

class Pane {
  constructor(model, index) {
    this.model = model;
    this.index = index;
    this.canvas = made("canvas", "view");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("aria-label", `The grasps of ${model.name} in three dimensions`);
    this.told = made("p", "told");
    this.message = made("p", "message");
    this.buttons = made("div", "grasps");
    this.rejected = made("p", "faint rejected");
    const hint = made("p", "hint", "Drag to turn, wheel or pinch to zoom, double-click to start over.");
    this.stage = made("div", "stage", this.canvas, this.told, hint);
    const title = made("h2", "", key(COLOURS[index], `${model.title} · ${model.name}`));
    this.root = made("section", "pane", title, this.message, this.stage, this.buttons, this.rejected);
    this.grasps = [];
    this.grasp = null;
  }

  /** Make the viewer, once the canvas is in the page. */
  begin() {
    this.viewer = new Viewer(this.canvas);
    if (!this.viewer.gl) this.told.textContent = "This browser has no WebGL 2: there is no 3-D view.";
  }

  /** Show a set, from `start` where there is something to see. */
  show(set, start) {
    const answer = set.answers[this.index];
    this.message.textContent = answer.message;
    this.grasps = readGrasps(answer);
    this.stage.classList.toggle("none", !set.scene);
    if (start) this.viewer.aim(start);
    this.surface = null;
    this.frame = set.scene && axesSolid(set.scene.object);
    this.buttons.replaceChildren(...this.grasps.map((grasp, i) =>
      button(`${i + 1} · ${shown(grasp.score, 2)}`, () => this.choose(i))));
    this.tellRejected(set.index);
    this.layers();
    this.choose(0);
  }

  /** Put in the surface that the camera saw, a solid, once it is made. */
  lay(surface) {
    this.surface = surface;
    this.layers();
  }

  /** The surface and the object frame, as the boxes are ticked. */
  layers() {
    this.viewer.put("surface", element("show-surface").checked ? this.surface : null);
    this.viewer.put("frame", element("show-frame").checked ? this.frame : null, 1, true);
  }

  choose(i) {
    this.grasp = this.grasps[i] || null;
    pressed(this.buttons, i);
    this.drawGrasp();
    if (this.viewer.gl) this.told.textContent = this.grasp ? this.words(i) : "no grasp";
    drawPicture();
  }

  drawGrasp() {
    const grasp = this.grasp;
    const marks = grasp && element("show-contacts").checked ? marksSolid(grasp.contacts, grasp.normals, colours) : null;
    this.viewer.put("marks", marks, 1, true);
    this.viewer.put("hand", grasp && element("show-hand").checked ? handSolid(grasp.ends, data.radii) : null, 0.6);
  }

  words(i) {
    const {score, residuals, joints: [spread, ...fingers]} = this.grasp;
    return `grasp ${i + 1} of ${this.grasps.length}, score ${shown(score, 3)}\n` +
      `fingertips ${residuals.map(r => r.toFixed(1)).join(", ")} mm from the contacts (Eq. 7)\n` +
      `spread ${spread}°, fingers ${fingers.join("°, ")}°`;
  }

  tellRejected(index) {
    const {filters, rejected, sampled} = columns[this.index];
    const fell = filters.map((name, f) => [name, rejected[index * filters.length + f]]).filter(([, n]) => n);
    const listed = fell.map(([name, n]) => `${n} ${name}`).join(", ") || "none";
    this.rejected.textContent = sampled[index] ? `of ${sampled[index]} samples rejected: ${listed}` : "";
  }

  /** The next grasp, or by -1 the one before. */
  step(by) {
    if (this.grasps.length) {
      this.choose((this.grasps.indexOf(this.grasp) + by + this.grasps.length) % this.grasps.length);
    }
  }
}
