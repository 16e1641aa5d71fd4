// Distributions and tables.

const COLOURS = ["#5696e1", "#ff9d4d"]; // of the models

/** An element with a class, text and children; what is given as text stays text. */
function made(tag, kind = "", ...content) {
  const one = document.createElement(tag);
  one.className = kind;
  one.append(...content);
  return one;
}

function svg(tag, attributes, text = "") {
  const one = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) one.setAttribute(name, value);
  one.textContent = text;
  return one;
}

/** The value below which a share of the numbers lies, NaN of none. */
function quantile(numbers, share) {
  const sorted = Float64Array.from(numbers).sort();
  if (!sorted.length) return NaN;
  const at = share * (sorted.length - 1), low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}

const shown = (value, digits = 1) => Number.isFinite(value) ? value.toFixed(digits) : "–";
const count = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

function key(colour, text) {
  const dot = made("span", "key");
  dot.style.background = colour;
  return made("span", "", dot, text);
}

function chart(title, ...content) {
  return made("div", "chart", made("h2", "", title), ...content);
}

/** Bars of how many numbers lie where. series: of each {name, values, colour}. range: null takes the numbers' own. */
function histogram(title, series, range, bins = 32) {
  const all = series.flatMap(s => [...s.values]);
  if (!all.length) return chart(title, made("p", "faint", "There is nothing to count."));
  const least = all.reduce((a, b) => Math.min(a, b)), most = all.reduce((a, b) => Math.max(a, b));
  let [low, high] = range || [least, most];
  if (high <= low) [low, high] = [low - 0.5, high + 0.5];
  const width = 460, height = 120, across = width / bins;
  const counted = series.map(({values}) => {
    const bars = new Array(bins).fill(0);
    for (const v of values) bars[Math.max(0, Math.min(bins - 1, Math.floor((v - low) / (high - low) * bins)))]++;
    return bars;
  });
  const top = Math.max(...counted.flat());
  const picture = svg("svg", {viewBox: `0 0 ${width} ${height + 18}`, role: "img"});
  counted.forEach((bars, m) => bars.forEach((n, i) => {
    const share = across / series.length, tall = n / top * height;
    picture.append(svg("rect", {
      x: i * across + m * share + 0.5, y: height - tall, width: share - 1, height: tall,
      fill: series[m].colour,
    }));
  }));
  const digits = high - low < 5 ? 2 : 0;
  [low, (low + high) / 2, high].forEach((v, i) => picture.append(svg("text", {
    x: i * width / 2, y: height + 14, "text-anchor": ["start", "middle", "end"][i],
  }, v.toFixed(digits))));
  const told = series.map(s =>
    `${s.name}: ${s.values.length}, median ${shown(quantile(s.values, 0.5), 2)}`).join("; ");
  return chart(title, picture, made("p", "faint", `${told}. The highest bar counts ${top}.`));
}

/** A table whose last column holds bars. rows: {name, cells, values}, one value a model. */
function barTable(title, head, rows, caption) {
  const top = Math.max(1e-9, ...rows.flatMap(row => row.values.filter(Number.isFinite)));
  const body = rows.map(row => {
    const bars = made("td", "bars", ...row.values.map((value, m) => {
      const bar = made("div", "bar");
      bar.style.width = `${Number.isFinite(value) ? 100 * value / top : 0}%`;
      bar.style.background = COLOURS[m];
      return bar;
    }));
    return made("tr", "", ...[row.name, ...row.cells].map(text => made("td", "", text)), bars);
  });
  const top_row = made("tr", "", ...[...head, ""].map(text => made("th", "", text)));
  return chart(title, made("table", "", made("thead", "", top_row), made("tbody", "", ...body)),
    made("p", "faint", caption));
}

/** A plain table. rows: of texts, the first one names the row. */
function table(title, head, rows, caption) {
  const row = (tag, texts) => made("tr", "", ...texts.map(text => made(tag, "", text)));
  return chart(title, made("table", "", made("thead", "", row("th", head)),
    made("tbody", "", ...rows.map(texts => row("td", texts)))), made("p", "faint", caption));
}
