// What the page does: chooses a set, shows its picture and answers, and draws the timeline and the distributions.

const panes = data.models.map((model, m) => new Pane(model, m));
let chosen = null, picture = null, mask = null; // the set, and its images once they are there

// The timeline.
const ANSWERED = "#4fb477";
const REFUSED = ["#e5534b", "#c069d8", "#e0a93b", "#8a94a6", "#d8728f", "#5fb7c9", "#a1785c", "#d5d9e0"];
const found = [...new Set(columns.flatMap(c => [...c.codes]))].filter(code => code);
const colourOf = code => code ? REFUSED[found.indexOf(code) % REFUSED.length] : ANSWERED;
const nameOf = code => code ? data.codes[code] || `code ${code}` : "answered";
const BAND = 22; // [px]

function drawTimeline() {
  const canvas = element("timeline"), ratio = window.devicePixelRatio || 1, ink = canvas.getContext("2d");
  const width = canvas.clientWidth, height = BAND * columns.length + 4;
  canvas.style.height = `${height}px`;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.round(height * ratio);
  ink.scale(ratio, ratio);
  const each = width / Math.max(1, total), gap = each > 4 ? 1 : 0;
  columns.forEach(({codes}, m) => {
    for (const refused of [false, true]) { // on top, where sets share a pixel
      codes.forEach((code, i) => {
        if (Boolean(code) !== refused) return;
        ink.fillStyle = colourOf(code);
        ink.fillRect(i * each, BAND * m + 2, Math.max(1, each - gap), BAND - 2);
      });
    }
  });
  if (!chosen) return;
  ink.strokeStyle = "#ffffff";
  ink.lineWidth = 2;
  ink.strokeRect(Math.max(1, chosen.index * each), 1, Math.max(2, each - gap), height - 2);
}

const setAt = e => Math.max(0, Math.min(total - 1, Math.floor(e.offsetX / element("timeline").clientWidth * total)));

function tell(i) {
  const outcomes = columns.map(c => c.codes[i] ? nameOf(c.codes[i]) : count(c.grasps[i], "grasp"));
  return `set ${i}, ${stamps[i].toFixed(3)} s: ${outcomes.join(" | ")}`;
}

element("timeline").addEventListener("pointermove", e => element("tip").textContent = total ? tell(setAt(e)) : "");
element("timeline").addEventListener("pointerleave", () => element("tip").textContent = "");
element("timeline").addEventListener("click", e => {
  if (!data.shown.length) return;
  const away = set => Math.abs(set.index - setAt(e));
  choose(data.shown.indexOf(data.shown.reduce((best, set) => away(set) < away(best) ? set : best)));
});

// The chosen set.
function choose(n) {
  chosen = data.shown[Math.max(0, Math.min(data.shown.length - 1, n))];
  const set = chosen, at = data.shown.indexOf(set);
  element("slider").value = at;
  element("which").textContent = `set ${set.index} of ${total}, ${stamps[set.index].toFixed(3)} s`;
  element("thumbnails").children[at].scrollIntoView({block: "nearest", inline: "nearest"});
  pressed(element("thumbnails"), at);
  element("told-set").textContent = tellSet(set);
  drawTimeline();
  picture = mask = null;
  drawPicture();
  panes.forEach(pane => pane.show(set, set.scene && viewOf(set)));
  if (!set.picture) return;
  Promise.all([load(set.picture.image), load(set.picture.mask)]).then(([image, over]) => {
    if (set !== chosen) return; // another one was chosen meanwhile
    [picture, mask] = [image, over];
    drawPicture();
    if (!set.scene) return;
    const surface = surfaceOf(set, pixelsOf(image));
    panes.forEach(pane => pane.lay(surface));
  });
}

function tellSet({picture, scene}) {
  if (!picture) return "This set makes no frame.";
  if (!scene) return "Refused before anything was sampled.";
  const {label, pixels, distance, degenerate, table} = scene;
  return `Object: label ${label}, ${pixels} pixels, ${distance.toFixed(3)} m away` +
    (degenerate ? "; its mask has no distinct axis" : "") + (table ? "." : "; no table was seen under it.");
}

// What chooses.
function step(by) {
  if (chosen) choose(data.shown.indexOf(chosen) + by);
}

function thumbnail(set, n) {
  const made_of = set.picture ? new Image() : nameOf(columns[0].codes[set.index]);
  const small = button([made_of], () => choose(n));
  if (set.picture) {
    made_of.loading = "lazy";
    made_of.src = set.picture.image;
    made_of.alt = `set ${set.index}`;
  }
  small.title = tell(set.index);
  small.style.borderColor = colourOf(columns[0].codes[set.index]);
  return small;
}

const STEPS = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity};

document.addEventListener("keydown", e => {
  if (!chosen || e.ctrlKey || e.altKey || e.metaKey || e.target.classList.contains("view")) return;
  if (STEPS[e.key]) step(STEPS[e.key]);
  else if (e.key === "ArrowUp" || e.key === "ArrowDown") panes.forEach(pane => pane.step(e.key === "ArrowUp" ? -1 : 1));
  else return;
  e.preventDefault();
});
element("slider").addEventListener("input", e => choose(Number(e.target.value)));
element("previous").addEventListener("click", () => step(-1));
element("next").addEventListener("click", () => step(1));
for (const name of ["zoom", "show-mask", "show-frame", "show-contacts"]) {
  element(name).addEventListener("change", drawPicture);
}
for (const name of ["show-frame", "show-surface"]) {
  element(name).addEventListener("change", () => panes.forEach(pane => pane.layers()));
}
for (const name of ["show-hand", "show-contacts"]) {
  element(name).addEventListener("change", () => panes.forEach(pane => pane.drawGrasp()));
}

element("panes").append(...panes.map(pane => pane.root));
panes.forEach(pane => pane.begin());
panes.forEach(pane => pane.viewer.followers.push(...panes.filter(p => p !== pane).map(p => p.viewer)));
element("fingers").append(...fingerLegend(data.fingers));
element("slider").max = Math.max(0, data.shown.length - 1);
element("thumbnails").append(...data.shown.map(thumbnail));
element("sets").hidden = element("chosen").hidden = !total;
summarise();
new ResizeObserver(drawTimeline).observe(element("timeline"));
if (data.shown.length) choose(0);
