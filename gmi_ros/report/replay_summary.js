// All sets together: sentences, the comparison of two models, and the distributions.

const names = data.models.map(model => model.name);
const twoKinds = new Set(data.models.map(model => model.judged)).size > 1; // of scores

/** Of a model: sums over the stages of the sets that were sampled [ms]. */
function totals({times}) {
  const n = data.stages.length;
  const sums = Array.from({length: total}, (_, i) => times.subarray(i * n, (i + 1) * n).reduce((a, b) => a + b, 0));
  return sums.filter(Number.isFinite);
}

/** Of a model: the best score of each answered set. */
function best({grasps, scores}) {
  const found = [];
  let at = 0;
  for (const n of grasps) {
    if (n) found.push(scores[at]);
    at += n;
  }
  return found;
}

const answered = ({codes}) => codes.filter(code => !code).length;
const sum = numbers => numbers.reduce((a, b) => a + b, 0);

function summarise() {
  const first = columns[0];
  const when = data.start ? ` from ${new Date(data.start / 1e6).toISOString()}` : "";
  element("summary").textContent = total
    ? `${count(total, "image set")}${when}: ${answered(first)} answered with ${count(sum(first.grasps), "grasp")}, ` +
      `${total - answered(first)} refused.`
    : "The bag gave no complete image set.";
  const trouble = data.unreadable ? [`${count(data.unreadable, "message")} made no sense and were left out.`] : [];
  element("notes").append(...[...data.notes, ...trouble].map(text => made("li", "", text)));
  element("legend").append(...[0, ...found].map(code => {
    const times_seen = columns.map(c => c.codes.filter(other => other === code).length);
    return key(colourOf(code), `${nameOf(code)}: ${times_seen.join(" | ")}`);
  }));
  element("kept").textContent = data.shown.length === total
    ? `Pictures of all ${count(total, "set")}.`
    : `Pictures of ${data.shown.length} of ${total} sets, evenly spread; timeline and distributions are of all.`;
  const charts = element("charts");
  if (columns.length > 1) charts.append(comparison());
  if (total) {
    charts.append(...scoreCharts("Score of each set's best grasp", best));
    charts.append(...scoreCharts("Scores of all grasps", c => c.scores), latencies(), rejections());
  }
  charts.append(messages());
  const told = Object.entries(data.settings).map(([name, value]) => `${name} ${value}`).join(", ");
  const models = data.models.map(m => `${m.title} ${m.name} (${m.hash})`).join("; ");
  element("made").textContent = `${data.bag}. Models: ${models}. ${told}. gmi_ros ${data.version}.`;
}

function comparison() {
  const [a, b] = columns.map(c => c.codes), pairs = [[0, 0], [0, 0]]; // by whether a and whether b answered
  a.forEach((code, i) => pairs[Number(!code)][Number(!b[i])]++);
  const rows = [
    ["sets answered", ...columns.map(c => `${answered(c)} of ${total}`)],
    ["grasps", ...columns.map(c => `${sum(c.grasps)}`)],
    ["best score, median", ...columns.map(c => shown(quantile(best(c), 0.5), 3))],
    ["all scores, median", ...columns.map(c => shown(quantile(c.scores, 0.5), 3))],
    ["latency, median [ms]", ...columns.map(c => shown(quantile(totals(c), 0.5)))],
    ["latency, 99 % [ms]", ...columns.map(c => shown(quantile(totals(c), 0.99)))],
  ];
  const caption = `Answered by both ${pairs[1][1]}, by the first alone ${pairs[1][0]}, ` +
    `by the second alone ${pairs[0][1]}, by neither ${pairs[0][0]}. ` + (twoKinds
      ? "The scores are of two kinds, an evaluator's probability and a weighted log density: do not compare them."
      : "The scores are each model's own.");
  return table("Two models on the same sets", ["", ...names], rows, caption);
}

/** One chart, or where scores are of two kinds one for each model. */
function scoreCharts(title, of) {
  const series = columns.map((c, m) => ({name: names[m], values: of(c), colour: COLOURS[m]}));
  const range = m => data.models[m].judged ? [0, 1] : null;
  if (!twoKinds) return [histogram(title, series, range(0))];
  return series.map((one, m) => histogram(`${title}, ${one.name}`, [one], range(m)));
}

function latencies() {
  const n = data.stages.length;
  const stages = data.stages.map((stage, s) => [stage, columns.map(c =>
    c.times.filter((time, i) => i % n === s && Number.isFinite(time)))]);
  const rows = [...stages, ["all stages", columns.map(totals)]].map(([name, times]) => ({
    name,
    cells: times.flatMap(t => [shown(quantile(t, 0.5)), shown(quantile(t, 0.99))]),
    values: times.map(t => quantile(t, 0.5)),
  }));
  const head = ["stage", ...names.flatMap(name => names.length > 1 ? [`median, ${name}`, "99 %"] : ["median", "99 %"])];
  return barTable("Latency by stage [ms]", head, rows,
    "Of the sets that were sampled, on the machine that replayed them; the first set warms it up. Bars: medians.");
}

function rejections() {
  const filters = [...new Set(columns.flatMap(c => c.filters))];
  const shares = filters.map(name => columns.map(({filters, rejected, sampled}) => {
    const f = filters.indexOf(name), all = sum(sampled);
    const fell = f < 0 ? 0 : sum(rejected.filter((_, i) => i % filters.length === f));
    return all ? 100 * fell / all : NaN;
  }));
  const rows = filters.map((name, i) => ({name, cells: shares[i].map(share => shown(share)), values: shares[i]}));
  return barTable("Samples rejected [%]", ["filter", ...names], rows,
    `Of ${columns.map(c => sum(c.sampled)).join(" | ")} samples; a sample counts for the first filter that it fails.`);
}

function messages() {
  const rows = Object.entries(data.messages).map(([topic, n]) => [topic, `${n}`]);
  return table("Messages read", ["topic", ""], rows, rows.length ? "" : "None.");
}
