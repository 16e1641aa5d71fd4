// What the page does: chooses an object and a grasp, puts its solids into the viewer, draws the map.

const data = JSON.parse(document.getElementById("data").textContent);
const viewer = new Viewer(element("view"));
const metres = numbers => numbers.map(x => x * data.unit);
const colours = data.fingers.map(c => c.map(x => x / 255));
const OBJECT = [0.72, 0.66, 0.58], TABLE = [0.24, 0.27, 0.33];
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
  const azimuth = sideOf(triples(scene.grasps[0].contacts));
  viewer.look({azimuth, elevation: 0.38, distance, target: [0, 0, 0.5 * top + 0.06]});
  element("picture").src = scene.picture;
  background.src = scene.density;
  element("grasps").replaceChildren(...scene.grasps.filter(g => g.label).map(g => button(g.label, () => showGrasp(g))));
  pressed(element("scenes"), data.scenes.indexOf(scene));
  showCloud();
  showFrame();
  showGrasp(scene.grasps[0]);
}

function showGrasp(chosen) {
  grasp = chosen;
  const contacts = triples(metres(grasp.contacts)), normals = triples(grasp.normals).map(unit);
  viewer.put("marks", marksSolid(contacts, normals, colours), 1, true);
  showHand();
  const millimetres = grasp.residual.map(r => (r * data.unit * 1000).toFixed(1));
  const [spread, ...fingers] = grasp.joints;
  element("told").textContent =
    `${scene.name} · ${NAMES[grasp.kind]}${grasp.kind === "peak" ? " " + grasp.label : ""}\n` +
    `fingertips ${millimetres.join(", ")} mm from the contacts (Eq. 7)\n` +
    `spread ${spread}°, fingers ${fingers.join("°, ")}°`;
  pressed(element("grasps"), scene.grasps.filter(g => g.label).indexOf(grasp));
  drawMap();
}

function showHand() {
  const hand = handSolid(triples(metres(grasp.hand)), metres(data.radii));
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
  viewer.put("frame", element("show-frame").checked ? axesSolid(scene.frame) : null);
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

element("scenes").append(...data.scenes.map(s => {
  const split = document.createElement("small");
  split.textContent = ` ${s.split}`;
  return button([s.name, split], () => showScene(s));
}));
element("show-hand").addEventListener("change", showHand);
element("show-cloud").addEventListener("change", showCloud);
element("show-frame").addEventListener("change", showFrame);
element("fingers").append(...fingerLegend(data.fingers));
new ResizeObserver(drawMap).observe(map);
if (!viewer.gl) element("told").textContent = "This browser has no WebGL 2: only the map and the pictures are shown.";
showScene(data.scenes[0]);
