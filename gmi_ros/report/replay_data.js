// What the page was given: unpacked.

/** A typed array that Python packed. */
function unpack(text, Kind) {
  return new Kind(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
}

const data = JSON.parse(element("data").textContent);
const colours = data.fingers.map(c => c.map(x => x / 255));
const stamps = unpack(data.stamps, Float64Array), total = stamps.length;
const columns = data.answers.map((answer, m) => ({
  codes: unpack(answer.codes, Uint16Array),
  grasps: unpack(answer.grasps, Uint32Array),
  sampled: unpack(answer.sampled, Uint32Array),
  scores: unpack(answer.scores, Float32Array),
  rejected: unpack(answer.rejected, Uint32Array),
  filters: answer.filters,
  times: unpack(data.times[m], Float32Array), // [ms], so many as data.stages of each set
}));
