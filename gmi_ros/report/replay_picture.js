// The chosen set's picture and the surface that the camera saw.

function load(uri) {
  const image = new Image();
  image.src = uri;
  return image.decode().then(() => image);
}

function pixelsOf(image) {
  const canvas = made("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const ink = canvas.getContext("2d", {willReadFrequently: true});
  ink.drawImage(image, 0, 0);
  return ink.getImageData(0, 0, canvas.width, canvas.height);
}

/** The surface by cell: points [m] in the page's frame (null: nothing measured), whether the object's, and pixel. */
function pointsOf({picture, scene}) {
  const [fx, fy, cx, cy] = picture.lens, page = inverse(scene.camera);
  return Array.from(unpack(scene.depths, Uint16Array), (cell, i) => {
    const u = scene.first[0] + scene.step * (i % scene.columns), z = (cell & 0x7fff) * scene.unit;
    const v = scene.first[1] + scene.step * Math.floor(i / scene.columns);
    const at = z ? place(page, [(u - cx) / fx * z, (v - cy) / fy * z, z]) : null;
    return {at, own: cell > 0x7fff, pixel: [(u + 0.5) * picture.shrunk[0], (v + 0.5) * picture.shrunk[1]]};
  });
}

const LARGEST_STEP = 0.025; // [m] between neighbours, beyond which the surface is open

function surfaceOf(set, pixels) {
  const cells = pointsOf(set), across = set.scene.columns, triangles = [];
  const near = (a, b) => a.own === b.own && norm(minus(a.at, b.at)) < LARGEST_STEP || norm(minus(a.at, b.at)) < 0.012;
  for (let i = 0; i + across + 1 < cells.length; i++) {
    if (i % across === across - 1) continue;
    for (const corners of [[i, i + across, i + 1], [i + 1, i + across, i + across + 1]]) {
      const [a, b, c] = corners.map(k => cells[k]);
      if (a.at && b.at && c.at && near(a, b) && near(b, c) && near(c, a)) triangles.push(corners);
    }
  }
  const tints = cells.map(({own, pixel: [x, y]}) => {
    const row = Math.min(pixels.height - 1, Math.floor(y)), column = Math.min(pixels.width - 1, Math.floor(x));
    const at = 4 * (row * pixels.width + column);
    return [0, 1, 2].map(k => pixels.data[at + k] / 255 * (own ? 1.1 : 0.6));
  });
  const solid = new Solid();
  solid.sheet(cells.map(cell => cell.at), triangles, tints);
  return solid;
}

/** From where a set is looked at. */
function viewOf(set) {
  const own = pointsOf(set).filter(cell => cell.at && cell.own).map(cell => cell.at[2]);
  const top = Math.max(0.02, Math.min(0.3, own.length ? quantile(own, 0.95) : 0.05));
  return {azimuth: -0.9, elevation: 0.45, distance: Math.min(1.1, 0.6 + 1.4 * top), target: [0, 0, 0.5 * top + 0.06]};
}

const place = (m, p) => [0, 1, 2].map(row => dot(m[row], p) + m[row][3]);

function inverse(m) {
  const rows = [0, 1, 2].map(i => [m[0][i], m[1][i], m[2][i]]);
  return rows.map(row => [...row, -dot(row, [m[0][3], m[1][3], m[2][3]])]);
}

const FINE = 2; // pixels of the canvas for one of the picture
const ZOOM = 3, WINDOW = 0.34; // the most, and the width of what is shown at the object's depth [m]

/** From the picture's pixels to the canvas's: scale, and what is added. */
function zoomOf({picture: {size: [width, height], shrunk: [sx], lens: [fx]}, scene}, project) {
  if (!scene || !element("zoom").checked) return [FINE, 0, 0];
  const zoom = Math.max(1, Math.min(ZOOM, width / (WINDOW * fx * sx / scene.distance)));
  const [x, y] = project(scene.object.slice(0, 3).map(row => row[3]));
  const shift = (at, side) => -Math.max(0, Math.min(side - side / zoom, at - side / zoom / 2)) * zoom * FINE;
  return [zoom * FINE, shift(x, width), shift(y, height)];
}

function drawPicture() {
  const canvas = element("picture"), ink = canvas.getContext("2d"), set = chosen;
  if (!set || !set.picture) {
    [canvas.width, canvas.height] = [480, 360];
    return;
  }
  const {size: [width, height], shrunk: [sx, sy], lens: [fx, fy, cx, cy]} = set.picture;
  [canvas.width, canvas.height] = [FINE * width, FINE * height];
  const project = p => {
    const [x, y, z] = place(set.scene.camera, p);
    return [(fx * x / z + cx + 0.5) * sx, (fy * y / z + cy + 0.5) * sy];
  };
  const [scale, right, down] = zoomOf(set, project);
  ink.setTransform(scale, 0, 0, scale, right, down);
  if (picture) ink.drawImage(picture, 0, 0, width, height);
  if (mask && element("show-mask").checked) {
    ink.imageSmoothingEnabled = false;
    ink.drawImage(mask, 0, 0, width, height);
  }
  ink.resetTransform();
  if (!set.scene) return;
  const at = p => {
    const [x, y] = project(p);
    return [x * scale + right, y * scale + down];
  };
  if (element("show-frame").checked) drawFrame(ink, set.scene.object, at);
  if (element("show-contacts").checked) panes.forEach(pane => drawContacts(ink, pane, at));
}

const rgb = c => `rgb(${c.map(x => Math.round(255 * x)).join(" ")})`;

function drawLine(ink, [x, y], to, colour, wide) {
  ink.beginPath();
  ink.moveTo(x, y);
  ink.lineTo(...to);
  ink.lineCap = "round";
  ink.strokeStyle = colour;
  ink.lineWidth = wide;
  ink.stroke();
}

/** The object's axes, 6 cm long. at: from the page's frame to the canvas. */
function drawFrame(ink, pose, at) {
  const origin = pose.slice(0, 3).map(row => row[3]);
  ink.font = "600 24px system-ui, sans-serif";
  AXES.forEach((colour, i) => {
    const tip = at(plus(origin, times(pose.slice(0, 3).map(row => row[i]), 0.06)));
    drawLine(ink, at(origin), tip, rgb(colour), 6);
    ink.fillStyle = rgb(colour);
    ink.fillText(`O${"xyz"[i]}`, tip[0] + 8, tip[1] - 6);
  });
}

/** The chosen grasp's contacts with 3 cm of their normals; the second model's are hollow. */
function drawContacts(ink, {grasp, index}, at) {
  if (!grasp) return;
  grasp.contacts.forEach((p, i) => {
    const [inner, edge] = index ? ["#14171d", rgb(colours[i])] : [rgb(colours[i]), "#14171d"];
    drawLine(ink, at(p), at(plus(p, times(grasp.normals[i], 0.03))), rgb(colours[i]), 5);
    ink.beginPath();
    ink.arc(...at(p), 10, 0, 2 * Math.PI);
    ink.fillStyle = inner;
    ink.fill();
    ink.strokeStyle = edge;
    ink.lineWidth = 4;
    ink.stroke();
  });
}
