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
  return {azimuth: -0.9, elevation: 0.45, distance: Math.min(1, 0.55 + 1.2 * top), target: [0, 0, 0.5 * top + 0.04]};
}

const place = (m, p) => [0, 1, 2].map(row => dot(m[row], p) + m[row][3]);

function inverse(m) {
  const rows = [0, 1, 2].map(i => [m[0][i], m[1][i], m[2][i]]);
  return rows.map(row => [...row, -dot(row, [m[0][3], m[1][3], m[2][3]])]);
}

function drawPicture() {
  const canvas = element("picture"), ink = canvas.getContext("2d"), set = chosen;
  if (!set || !set.picture) {
    [canvas.width, canvas.height] = [480, 360];
    return;
  }
  const {size: [width, height], shrunk: [sx, sy], lens: [fx, fy, cx, cy]} = set.picture, scale = 2;
  [canvas.width, canvas.height] = [scale * width, scale * height];
  if (picture) ink.drawImage(picture, 0, 0, canvas.width, canvas.height);
  if (mask && element("show-mask").checked) {
    ink.imageSmoothingEnabled = false;
    ink.drawImage(mask, 0, 0, canvas.width, canvas.height);
  }
  if (!set.scene) return;
  const at = p => {
    const [x, y, z] = place(set.scene.camera, p);
    return [(fx * x / z + cx + 0.5) * sx * scale, (fy * y / z + cy + 0.5) * sy * scale];
  };
  const line = (from, to, colour, wide) => {
    ink.beginPath();
    ink.moveTo(...at(from));
    ink.lineTo(...at(to));
    ink.strokeStyle = colour;
    ink.lineWidth = wide;
    ink.stroke();
  };
  const rgb = c => `rgb(${c.map(x => Math.round(255 * x)).join(" ")})`;
  ink.lineCap = "round";
  if (element("show-frame").checked) {
    const m = set.scene.object, origin = m.slice(0, 3).map(row => row[3]);
    ink.font = "600 22px system-ui, sans-serif";
    AXES.forEach((colour, i) => {
      const tip = plus(origin, times(m.slice(0, 3).map(row => row[i]), 0.06));
      line(origin, tip, rgb(colour), 5);
      ink.fillStyle = rgb(colour);
      ink.fillText(`O${"xyz"[i]}`, at(tip)[0] + 7, at(tip)[1] - 5);
    });
  }
  if (!element("show-contacts").checked) return;
  panes.filter(pane => pane.grasp).forEach(pane => pane.grasp.contacts.forEach((p, i) => {
    line(p, plus(p, times(pane.grasp.normals[i], 0.03)), rgb(colours[i]), 4);
    ink.beginPath();
    ink.arc(...at(p), 8, 0, 2 * Math.PI);
    ink.fillStyle = pane.index ? "#14171d" : rgb(colours[i]); // the second model's are hollow
    ink.fill();
    ink.strokeStyle = pane.index ? rgb(colours[i]) : "#14171d";
    ink.lineWidth = 3;
    ink.stroke();
  }));
}
