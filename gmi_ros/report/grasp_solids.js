// What grasps look like in the viewer, and the buttons that choose among them.

const HAND = [0.75, 0.79, 0.86];
const AXES = [[0.95, 0.3, 0.3], [0.3, 0.8, 0.4], [0.35, 0.55, 1]];
const element = id => document.getElementById(id);
const triples = numbers => Array.from({length: numbers.length / 3}, (_, i) => [...numbers.slice(3 * i, 3 * i + 3)]);

/** The hand's links as capsules. ends: two points of each link [m], radii: of each [m]. */
function handSolid(ends, radii) {
  const hand = new Solid();
  radii.forEach((radius, i) => hand.capsule(ends[2 * i], ends[2 * i + 1], radius, HAND));
  return hand;
}

/** Contacts [m] with their unit normals, each in its finger's colour, and the triangle between them. */
function marksSolid(contacts, normals, colours) {
  const marks = new Solid();
  contacts.forEach((p, i) => {
    marks.capsule(p, p, 0.0055, colours[i]);
    marks.arrow(p, normals[i], 0.045, 0.0018, colours[i]);
    const q = contacts[(i + 1) % 3];
    marks.turned(p, q, [[0, 0, 0.0009, 0], [1, 0, 0.0009, 0]], [0.95, 0.95, 0.95], 8);
  });
  return marks;
}

/** x red, y green, z blue, 9 cm long. m: rows of the pose's matrix. */
function axesSolid(m) {
  const axes = new Solid(), origin = m.slice(0, 3).map(row => row[3]);
  AXES.forEach((colour, i) => axes.arrow(origin, m.slice(0, 3).map(row => row[i]), 0.09, 0.0014, colour));
  return axes;
}

/** Azimuth [rad] from which the contacts lie apart: across the line from F3 to between F1 and F2. */
function sideOf([a, b, c]) {
  const line = minus(times(plus(a, b), 0.5), c);
  return Math.atan2(line[0], -line[1]);
}

/** A button with text or elements in it. */
function button(content, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.append(...[content].flat());
  made.addEventListener("click", act);
  return made;
}

/** Of the buttons in a parent, the one with this index is the chosen one. */
function pressed(parent, index) {
  [...parent.children].forEach((b, i) => b.setAttribute("aria-pressed", i === index));
}

/** Dots and names of the fingers. colours: 0 to 255. */
function fingerLegend(colours) {
  return colours.flatMap((c, i) => {
    const dot = document.createElement("span");
    dot.style.background = `rgb(${c.join(" ")})`;
    return [dot, `F${i + 1}`];
  });
}
