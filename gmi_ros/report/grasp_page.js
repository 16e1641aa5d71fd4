"use strict";
// What the page does: chooses an object and a grasp, puts its solids into the viewer, draws the map.

const data = JSON.parse(document.getElementById("data").textContent);
const element = id => document.getElementById(id);
const viewer = new Viewer(element("view"));
const metres = numbers => numbers.map(x => x * data.unit);
const triples = numbers => Array.from({length: numbers.length / 3}, (_, i) => numbers.slice(3 * i, 3 * i + 3));
const colours = data.fingers.map(c => c.map(x => x / 255));
const OBJECT = [0.72, 0.66, 0.58], HAND = [0.75, 0.79, 0.86], TABLE = [0.24, 0.27, 0.33];
const NAMES = {likely: "most likely grasp y*", peak: "peak", sample: "sample", known: "recorded success"};
let scene = null, grasp = null;

function showScene(chosen) {
  scene = chosen;
  const points = metres(scene.vertices), solid = new Solid();
  solid.mesh(points, scene.triangles, OBJECT);
  viewer.put("object", solid);
  const table = new Solid();
  table.disc([0, 0, -0.0005], 0.26, TABLE);
  viewer.put("table", table);
  const top = points.filter((_, i) => i % 3 === 2).reduce((a, b) => Math.max(a, b));
  const distance = Math.min(1, 0.52 + 1.2 * top);
  viewer.look({azimuth: sideOf(scene.grasps[0]), elevation: 0.38, distance, target: [0, 0, 0.5 * top + 0.06]});
  element("picture").src = scene.picture;
  background.src = scene.density;
  element("grasps").replaceChildren(...scene.grasps.filter(g => g.label).map(g => button(g.label, () => showGrasp(g))));
  pressed("scenes", data.scenes.indexOf(scene));
  showCloud();
  showFrame();
  showGrasp(scene.grasps[0]);
}

/** Azimuth [rad] from which the contacts lie apart: across the line from F3 to between F1 and F2. */
function sideOf(chosen) {
  const [a, b, c] = triples(chosen.contacts);
  const line = minus(times(plus(a, b), 0.5), c);
  return Math.atan2(line[0], -line[1]);
}

function showGrasp(chosen) {
  grasp = chosen;
  const contacts = triples(metres(grasp.contacts)), normals = triples(grasp.normals).map(unit);
  const marks = new Solid();
  contacts.forEach((p, i) => {
    marks.capsule(p, p, 0.0055, colours[i]);
    marks.arrow(p, normals[i], 0.045, 0.0018, colours[i]);
    const q = contacts[(i + 1) % 3];
    marks.turned(p, q, [[0, 0, 0.0009, 0], [1, 0, 0.0009, 0]], [0.95, 0.95, 0.95], 8);
  });
  viewer.put("marks", marks, 1, true);
  showHand();
  const millimetres = grasp.residual.map(r => (r * data.unit * 1000).toFixed(1));
  const [spread, ...fingers] = grasp.joints;
  element("told").textContent =
    `${scene.name} · ${NAMES[grasp.kind]}${grasp.kind === "peak" ? " " + grasp.label : ""}\n` +
    `fingertips ${millimetres.join(", ")} mm from the contacts (Eq. 7)\n` +
    `spread ${spread}°, fingers ${fingers.join("°, ")}°`;
  pressed("grasps", scene.grasps.filter(g => g.label).indexOf(grasp));
  drawMap();
}

function showHand() {
  const hand = new Solid();
  triples(metres(grasp.hand)).forEach((p, i, all) => {
    if (i % 2) hand.capsule(all[i - 1], p, data.radii[(i - 1) / 2] * data.unit, HAND);
  });
  viewer.put("hand", element("show-hand").checked ? hand : null, 0.55);
}

function showCloud() {
  const dots = new Solid();
  triples(metres(scene.cloud)).forEach((p, i) => {
    const r = 0.0016, c = colours[i % 3];
    const [u, d, e, w, n, s] = [[0, 0, r], [0, 0, -r], [r, 0, 0], [-r, 0, 0], [0, r, 0], [0, -r, 0]];
    for (const face of [[u, e, n], [u, n, w], [u, w, s], [u, s, e], [d, n, e], [d, w, n], [d, s, w], [d, e, s]]) {
      for (const q of face) dots.corner(plus(p, q), q, c);
    }
  });
  viewer.put("cloud", element("show-cloud").checked ? dots : null);
}

function showFrame() {
  const axes = new Solid(), m = scene.frame, origin = m.slice(0, 3).map(row => row[3]);
  [[0.95, 0.3, 0.3], [0.3, 0.8, 0.4], [0.35, 0.55, 1]].forEach((colour, i) => {
    axes.arrow(origin, m.slice(0, 3).map(row => row[i]), 0.09, 0.0014, colour);
  });
  viewer.put("frame", element("show-frame").checked ? axes : null);
}

// The map.
const background = new Image(), map = element("map");
background.addEventListener("load", drawMap);

function drawMap() {
  const side = Math.round(map.clientWidth * Math.min(window.devicePixelRatio || 1, 2)), ink = map.getContext("2d");
  if (!side || !scene) return;
  map.width = map.height = side;
  const scale = side / data.map, place = ([x, y]) => [x * scale, side - y * scale];
  const round = (at, radius, fill, edge) => {
    ink.beginPath();
    ink.arc(...place(at), radius * side / 300, 0, 2 * Math.PI);
    if (fill) { ink.fillStyle = fill; ink.fill(); }
    if (edge) { ink.strokeStyle = edge; ink.lineWidth = 1.4 * side / 300; ink.stroke(); }
  };
  ink.imageSmoothingEnabled = true;
  if (background.complete && background.naturalWidth) ink.drawImage(background, 0, 0, side, side);
  for (let i = 0; i < scene.scatter.length; i += 2) round(scene.scatter.slice(i, i + 2), 1.1, "#b9c4d680");
  for (const g of scene.grasps) {
    if (g.kind === "known") round(g.at, 4.2, null, "#f2f4f7");
    if (g.kind === "sample") round(g.at, 3, "#dfe6f1");
  }
  ink.font = `600 ${Math.round(side / 24)}px system-ui, sans-serif`;
  ink.textAlign = "center";
  ink.textBaseline = "middle";
  for (const g of scene.grasps.filter(g => g.label)) {
    round(g.at, 8.5, g.kind === "likely" ? "#e4002b" : "#ffffff", "#10131a");
    ink.fillStyle = g.kind === "likely" ? "#ffffff" : "#10131a";
    ink.fillText(g.kind === "likely" ? "★" : g.label, ...place(g.at));
  }
  round(grasp.at, 11.5, null, "#ffd24a");
}

map.addEventListener("click", e => {
  const box = map.getBoundingClientRect();
  const x = (e.clientX - box.left) / box.width * data.map, y = (1 - (e.clientY - box.top) / box.height) * data.map;
  const away = g => Math.hypot(g.at[0] - x, g.at[1] - y);
  showGrasp(scene.grasps.reduce((best, g) => away(g) < away(best) ? g : best));
});

function button(content, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.append(...[content].flat());
  made.addEventListener("click", act);
  return made;
}

function pressed(group, index) {
  [...element(group).children].forEach((b, i) => b.setAttribute("aria-pressed", i === index));
}

element("scenes").append(...data.scenes.map(s => {
  const split = document.createElement("small");
  split.textContent = ` ${s.split}`;
  return button([s.name, split], () => showScene(s));
}));
element("show-hand").addEventListener("change", showHand);
element("show-cloud").addEventListener("change", showCloud);
element("show-frame").addEventListener("change", showFrame);
element("fingers").append(...data.fingers.flatMap((c, i) => {
  const dot = document.createElement("span");
  dot.style.background = `rgb(${c.join(" ")})`;
  return [dot, `F${i + 1}`];
}));
new ResizeObserver(drawMap).observe(map);
if (!viewer.gl) element("told").textContent = "This browser has no WebGL 2: only the map and the pictures are shown.";
showScene(data.scenes[0]);
