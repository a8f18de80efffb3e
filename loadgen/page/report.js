"use strict";
/* Draws the results that lie in this page. Nothing is loaded, and nothing is written as HTML: all text is text. */

const R = JSON.parse(document.getElementById("results").textContent);
const OLD = JSON.parse(document.getElementById("baseline").textContent);
const page = document.getElementById("page");
const charts = [];

const el = (tag, attributes, ...children) => {
	const node = document.createElement(tag);
	for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
	node.append(...children.filter(c => c !== null && c !== undefined));
	return node;
};
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const sinkColour = name => css("--" + name) || css("--soft");
const DASH = {redis: [], elasticsearch: [8, 4], bigquery: [2, 3]};
const count = n => Math.round(n).toLocaleString("en-GB");
const ms = v => v === null || v === undefined ? "–" : v < 9.95 ? v.toFixed(1) + " ms" : v < 999.5 ? Math.round(v) + " ms" :
	(v / 1000).toFixed(v < 9995 ? 2 : 1) + " s";
const share = v => (v * 100).toFixed(2) + " %";
const last = R.stages[R.stages.length - 1];

/* --- words ------------------------------------------------------------------------------------------------------- */

function lostText() {
	if (!R.verify.run) return ["not verified", "warn"];
	const compared = R.verify.sinks.filter(s => s.compared);
	const lost = compared.reduce((sum, s) => sum + s.lost, 0);
	if (compared.length < R.verify.sinks.length) return [count(lost) + " lost, not every sink compared", "bad"];
	return [lost ? count(lost) + " lost" : "nothing lost", lost ? "bad" : "good"];
}

function verdict() {
	const failed = R.thresholds.filter(t => !t.holds);
	const invalid = R.stages.filter(s => s.invalid);
	const [lost] = lostText();
	const kind = !R.passed || !R.as_planned ? "failed" : R.verify.run ? "" : "doubtful";
	const word = R.ended !== "complete" ? "Not finished (" + R.ended + ")" : !R.passed ? "Failed" : !R.as_planned ? "Not as planned" :
		R.verify.run ? "Passed" : "Passed, not verified";
	const slowest = [...R.sinks].sort((a, b) => (b.freshness_ms.p99 ?? -1) - (a.freshness_ms.p99 ?? -1))[0];
	let sentence = `${count(last.achieved_rate)} of ${count(last.offered_rate)} rows/s in the last stage; ${lost}`;
	if (slowest) sentence += `; the slowest sink is ${slowest.name}, 99 % of its rows within ${ms(slowest.freshness_ms.p99)} of their commit`;
	sentence += ".";
	if (failed.length) sentence += " Crossed: " + failed.map(t => t.text).join(", ") + ".";
	if (invalid.length) sentence += " Not the load that was planned: " + invalid.map(s => s.name).join(", ") + ".";
	document.title = `Stress test: ${word}`;
	page.append(el("h1", {}, "Stress test"),
		el("p", {class: "soft"}, `${R.started} · ${R.host.name} · anabranch-loadgen ${R.version} → ${R.asked.target}`),
		el("div", {class: "verdict " + kind}, el("b", {}, word), el("br"), sentence));
}

function numbers() {
	const inserted = R.stages.reduce((sum, s) => sum + s.inserted, 0);
	const [lost, kind] = lostText();
	const box = (value, words, cls) => el("div", {}, el("b", {class: cls || ""}, value), el("span", {}, words));
	page.append(el("div", {class: "numbers"},
		box(count(inserted), "rows written"),
		...R.sinks.map(s => box(ms(s.freshness_ms.p99), `${s.name}: freshness p99`)),
		box(lost, R.verify.run ? "says the verifier" : R.verify.why, kind)));
}

function table(head, rows) {
	return el("div", {class: "wide"}, el("table", {},
		el("thead", {}, el("tr", {}, ...head.map(h => Array.isArray(h) ? el("th", {scope: "col", class: h[1]}, h[0]) :
			el("th", {scope: "col"}, h)))), el("tbody", {}, ...rows)));
}
const row = (cells, cls) => el("tr", {class: cls || ""},
	...cells.map(c => Array.isArray(c) ? el("td", {class: c[1]}, c[0]) : el("td", {}, c)));
const section = (title, words) => page.append(el("h2", {}, title), words ? el("p", {class: "soft"}, words) : "");

function thresholds() {
	if (!R.thresholds.length) return;
	section("Thresholds");
	const unit = t => t.worst === null ? "–" : /lost|duplicated|behind/.test(t.text) ? count(t.worst) :
		/missed|achieved/.test(t.text) ? share(t.worst) : ms(t.worst);
	page.append(table(["threshold", "worst", ["where", "text"], "verdict"], R.thresholds.map(t => row([t.text,
		t.measured ? (t.worst === null ? "never" : unit(t)) : "not measured", [t.where, "text"],
		[t.holds ? "✓ holds" : "✗ crossed", t.holds ? "good" : "bad"]]))));
}

function stageTable() {
	section("Stages", "Offered is what the plan says, achieved what PostgreSQL or Kafka had committed in the stage's time; missed rows " +
		"left more than 10 ms after their time. Commit counts from the planned time, uncorrected from the actual sending. " +
		"Rows/s/core: what reached the slowest sink, by the engine's processors.");
	page.append(table(["stage", "offered/s", "achieved/s", "missed", "inserted", "late p99", "commit p99", "uncorrected",
		"engine, cores", "rows/s/core"],
	R.stages.map(s => row([s.name, count(s.offered_rate), count(s.achieved_rate), share(s.missed), count(s.inserted),
		ms(s.late_ms.p99), ms(s.commit_ms.p99), ms(s.commit_uncorrected_ms.p99), s.engine_cores.toFixed(2),
		s.engine_cores > 0.005 ? count(Math.min(...s.sinks.map(x => x.rate)) / s.engine_cores) : "–"]))));
	R.stages.filter(s => s.invalid).forEach(s => page.append(el("p", {class: "bad"}, `${s.name}: not as planned: ${s.invalid}.`)));
}

function sinkTable() {
	section("Sinks", "Freshness: from commit to seen in the sink (bigquery: to acknowledged, by counting). From plan: counted from the " +
		"time the row was meant to be written. Behind: at the stage's end. A dash: too few samples.");
	const rows = [];
	for (const sink of R.sinks) R.stages.forEach((stage, i) => {
		const s = stage.sinks.find(x => x.sink === sink.name), f = s.freshness_ms;
		rows.push(row([i ? "" : sink.name, [stage.name, "text"], count(s.arrived), count(s.rate), count(s.behind), ms(s.behind_ms),
			ms(f.p50), ms(f.p90), ms(f.p99), ms(f["p99.9"]), ms(f.max), ms(s.response_ms.p99),
			s.searchable_ms ? ms(s.searchable_ms.p99) : ""], i ? "" : "first"));
		if (s.unseen) rows.push(row(["", [`${count(s.unseen)} marked rows were never seen`, "text bad"], ...Array(11).fill("")]));
	});
	page.append(table(["sink", ["stage", "text"], "arrived", "rate/s", "behind", "by", "p50", "p90", "p99", "p99.9", "max",
		"from plan p99", "searchable p99"], rows));
}

function proof() {
	section("Proof");
	if (!R.verify.run) {
		page.append(el("p", {class: "warn"}, `The verifier was not run: ${R.verify.why}. Nothing here says that nothing was lost.`));
		return;
	}
	const number = (n, cls) => n ? [count(n), cls] : "0";
	page.append(table(["sink", "expected", "lost", "duplicated", "differing"], R.verify.sinks.map(s => s.compared ?
		row([s.sink, count(s.expected), number(s.lost, "bad"), number(s.duplicated, "warn"), number(s.differing, "bad")]) :
		row([s.sink, ["could not be compared", "bad"], "", "", ""]))));
}

/* --- comparison with an earlier run ------------------------------------------------------------------------------ */

/* A percentile's noise: between the least and the largest of the parts of its stage. Apart only where two runs' do not touch. */
function band(parts) {
	const there = parts.filter(v => v !== null);
	return there.length > 1 ? [Math.min(...there), Math.max(...there)] : null;
}

function comparison() {
	if (!OLD) return;
	section("Compared with an earlier run", `${OLD.started} on ${OLD.host.name}. The noise band is where the percentile lay in the ` +
		"five parts of the stage; a difference counts when the two bands do not touch.");
	const rows = [];
	for (const stage of R.stages) {
		const before = OLD.stages.find(s => s.name === stage.name);
		if (!before) continue;
		stage.sinks.forEach((s, i) => {
			const old = before.sinks.find(x => x.sink === s.sink);
			if (!old) return;
			for (const p of ["p50", "p99"]) {
				const now = s.freshness_ms[p], then = old.freshness_ms[p];
				if (now === null || then === null) continue;
				const a = band(s[`parts_${p}_ms`]), b = band(old[`parts_${p}_ms`]);
				const apart = a && b && (a[0] > b[1] || b[0] > a[1]);
				rows.push(row([i || p !== "p50" ? "" : stage.name, [`${s.sink} ${p}`, "text"], ms(then), ms(now),
					then > 0 ? (now >= then ? "+" : "−") + Math.abs((now / then - 1) * 100).toFixed(0) + " %" : "–",
					b ? `${ms(b[0])} … ${ms(b[1])}` : "–", a ? `${ms(a[0])} … ${ms(a[1])}` : "–",
					!a || !b ? "too few samples" : apart ? [now > then ? "✗ slower" : "✓ faster", now > then ? "bad" : "good"] : "within noise"]));
			}
		});
	}
	page.append(rows.length ? table(["stage", ["freshness", "text"], "then", "now", "change", "noise then", "noise now", "verdict"], rows) :
		el("p", {class: "soft"}, "The two have no stage and sink in common."));
}

/* --- charts ------------------------------------------------------------------------------------------------------ */

/* Behind the curves: stages as bands, with their names. */
function bands(u) {
	const c = u.ctx, dpr = devicePixelRatio;
	c.save();
	c.font = `${11 * dpr}px system-ui, sans-serif`;
	c.textAlign = "center";
	R.stages.forEach((s, i) => {
		const from = u.valToPos(s.start_s, "x", true), to = u.valToPos(s.end_s, "x", true);
		if (i % 2 === 0) {
			c.fillStyle = css("--band");
			c.fillRect(from, u.bbox.top, to - from, u.bbox.height);
		}
		c.fillStyle = css("--soft");
		c.fillText(s.name, (from + to) / 2, u.bbox.top + 13 * dpr);
	});
	c.restore();
}

const axis = (label, values, size) => ({label, stroke: css("--soft"), grid: {stroke: css("--line"), width: 1},
	ticks: {stroke: css("--line")}, size: size || 66, labelSize: 18, labelFont: "12px system-ui, sans-serif",
	font: "12px system-ui, sans-serif", values});

function draw(place, height, make) {
	const chart = {place, height, make, u: null};
	chart.redraw = () => {
		if (chart.u) chart.u.destroy();
		const {options, data} = make();
		chart.u = new uPlot({width: Math.max(280, place.clientWidth), height, cursor: {y: false}, ...options}, data, place);
	};
	charts.push(chart);
	chart.redraw();
}

const timeAxis = () => axis("seconds since the first row", (u, v) => v.map(x => x + ""), 34);

function overTime(title, words, label, format, lines, extra) {
	section(title, words);
	const place = el("div", {class: "chart", role: "img", "aria-label": title});
	page.append(place);
	draw(place, 260, () => ({
		options: {
			...extra, scales: {x: {time: false}, y: {range: (u, min, max) => [0, Math.max(max * 1.12, 1e-9)]}},
			axes: [timeAxis(), axis(label, (u, v) => v.map(format))], hooks: {drawClear: [bands]},
			series: [{label: "second", value: (u, v) => v === null || v === undefined ? "" : v.toFixed(1)}, ...lines.map(l => ({
				label: l.label, stroke: css(l.colour), dash: l.dash, width: l.width || 2, points: {show: false},
				value: (u, v) => v === null || v === undefined ? "" : format(v)}))],
		},
		data: [R.series.t_s, ...lines.map(l => l.data)],
	}));
}

/* Per second, over one second: steps of a quarter would show each batch as a needle. */
function rate(counts) {
	const t = R.series.t_s, width = 4;
	return counts.map((v, i) => i < width ? (i ? v / Math.max(1, t[i]) : 0) : (v - counts[i - width]) / (t[i] - t[i - width]));
}

function flow() {
	const names = R.sinks.map(s => s.name);
	overTime("Rate", "Rows per second, over the last second.", "rows/s", count, [
		{label: "offered", colour: "--offered", dash: [4, 4], data: rate(R.series.offered)},
		{label: "committed", colour: "--committed", width: 1.5, data: rate(R.series.committed)},
		...names.map(n => ({label: n, colour: "--" + n, dash: DASH[n], data: rate(R.series.arrived[n])}))]);
	overTime("Behind", "Age of the oldest committed row that a sink does not have yet.", "seconds", v => v.toFixed(v < 10 ? 1 : 0) + " s",
		names.map(n => ({label: n, colour: "--" + n, dash: DASH[n], data: R.series.behind_ms[n].map(v => v / 1000)})));
	overTime("Waiting in Kafka", "Records that not every sink has. Where sinks are behind and this is low, what comes before Kafka is the limit.",
		"records", count, [{label: "records", colour: "--committed", data: R.series.source_lag}]);
}

function cost() {
	overTime("The engine's processors", "Cores in use over the last second, all threads.", "cores", v => v.toFixed(2),
		[{label: "cores", colour: "--committed", data: rate(R.series.engine_cpu_s)}]);
	overTime("The engine's memory", "Resident.", "MB", v => v.toFixed(0) + " MB",
		[{label: "resident", colour: "--committed", data: R.series.engine_rss_bytes.map(v => v / 1e6)}]);
}

/* Percentiles on a scale on which each further nine takes the same room, as HdrHistogram draws them. */
const nines = p => -Math.log10(1 - Math.min(p, 99.99) / 100);

/* 1, 2, 5, 10 … within a range; of many, each third. */
function roundTimes(low, high) {
	const all = [];
	for (let power = -1; power < 7; power++) for (const digit of [1, 2, 5]) all.push(digit * 10 ** power);
	const within = all.filter(x => x >= low && x <= high);
	return within.length > 8 ? within.filter(x => /^1/.test(String(x)) || x < 1) : within;
}

function percentileChart(place, sink) {
	const curves = R.stages.map(s => s.sinks.find(x => x.sink === sink.name).freshness_curve);
	const at = [...new Set(curves.flat().map(c => c[0]))].sort((a, b) => a - b);
	/* The maximum has no place of its own among the nines: it stands where the samples end. */
	const xs = at.filter(p => p < 100).map(nines);
	if (!xs.length) {
		place.append(el("p", {class: "soft"}, "Too few samples."));
		return;
	}
	const labels = new Map([[nines(0), "0"], [nines(50), "50 %"], [1, "90 %"], [2, "99 %"], [3, "99.9 %"]]);
	draw(place, 260, () => ({
		options: {
			padding: [null, 24, null, null],
			scales: {x: {time: false, range: [0, Math.max(2.1, ...xs)]}, y: {distr: 3, range: (u, min, max) => [min * 0.8, max * 1.25]}},
			axes: [{...axis("", (u, v) => v.map(x => labels.get(x) ?? ""), 30), splits: () => [...labels.keys()], labelSize: 0},
				{...axis("", (u, v) => v.map(x => ms(x)), 60), splits: (u, i, low, high) => roundTimes(low, high), labelSize: 0}],
			series: [{label: "percentile", value: (u, v) => v === null || v === undefined ? "" : (100 * (1 - 10 ** -v)).toFixed(1) + " %"},
				...R.stages.map((s, i) => ({label: s.name, stroke: css("--s" + i % 5), width: 2, spanGaps: true, points: {size: 4},
					dash: [[], [8, 3], [4, 3], [2, 2], [10, 3, 2, 3]][i % 5], value: (u, v) => v === null || v === undefined ? "" : ms(v)}))],
		},
		data: [xs, ...curves.map(c => at.filter(p => p < 100).map(p => (c.find(x => x[0] === p) ?? [0, null])[1]))],
	}));
}

/* Rows by time and freshness; darker is more. A mean hides two modes, this shows them. */
function heat(canvas, sink) {
	const redraw = () => {
		const dpr = devicePixelRatio, w = canvas.width = canvas.clientWidth * dpr, h = canvas.height = 240 * dpr;
		const c = canvas.getContext("2d"), left = 62 * dpr, bottom = 22 * dpr, top = 16 * dpr;
		c.font = `${11 * dpr}px system-ui, sans-serif`;
		if (!sink.heat.length) return;
		const seconds = Math.max(last.end_s, ...sink.heat.map(x => x[0] + 1));
		const low = Math.min(...sink.heat.map(x => x[1])), high = Math.max(...sink.heat.map(x => x[1])) + 1;
		const most = Math.max(...sink.heat.map(x => x[2]));
		const x = s => left + s / seconds * (w - left), y = b => h - bottom - (b - low) / (high - low) * (h - bottom - top);
		R.stages.forEach((s, i) => {
			c.fillStyle = css("--band");
			if (i % 2 === 0) c.fillRect(x(s.start_s), top, x(s.end_s) - x(s.start_s), h - bottom - top);
			c.fillStyle = css("--soft");
			c.textAlign = "center";
			if (x(s.end_s) - x(s.start_s) > 7 * dpr * s.name.length) c.fillText(s.name, (x(s.start_s) + x(s.end_s)) / 2, 11 * dpr);
		});
		for (const [second, bin, rows] of sink.heat) {
			c.fillStyle = `rgba(${css("--heat")}, ${0.18 + 0.82 * Math.sqrt(rows / most)})`;
			c.fillRect(x(second), y(bin + 1), Math.max(1, x(second + 1) - x(second) - 0.5), Math.max(1, y(bin) - y(bin + 1) - 0.5));
		}
		c.fillStyle = css("--soft");
		c.textAlign = "right";
		const step = Math.max(1, Math.round((high - low) / 6));
		for (let b = low; b <= high; b += step) c.fillText(ms(2 ** (b / 4)), left - 5 * dpr, y(b) + 4 * dpr);
		c.textAlign = "center";
		for (let s = 0; s <= seconds * 0.95; s += seconds < 40 ? 5 : 15) c.fillText(s + (s ? "" : " s"), x(s) + (s ? 0 : 8 * dpr), h - 6 * dpr);
	};
	charts.push({redraw});
	redraw();
}

function freshness() {
	section("Freshness by percentile", "Each further nine takes the same room. One curve a stage.");
	/* All places first: only then is it known how wide one is. */
	const places = R.sinks.map(sink => el("div", {class: "chart"}, el("h3", {}, sink.name)));
	page.append(el("div", {class: "three"}, ...places));
	R.sinks.forEach((sink, i) => percentileChart(places[i], sink));
	section("Freshness over time", "Marked rows by the second they were meant for (across) and how long they took (up); the fuller the colour, the more.");
	const maps = R.sinks.map(sink => el("canvas", {class: "heat", role: "img", "aria-label": `${sink.name}: freshness over time`}));
	page.append(el("div", {class: "three"}, ...R.sinks.map((sink, i) => el("div", {class: "chart"}, el("h3", {}, sink.name), maps[i]))));
	R.sinks.forEach((sink, i) => heat(maps[i], sink));
}

/* --- the rest ---------------------------------------------------------------------------------------------------- */

function circumstances() {
	section("Circumstances");
	const list = el("dl", {});
	const say = (name, value) => list.append(el("dt", {}, name), el("dd", {}, value));
	say("host", `${R.host.name}, ${R.host.processors} × ${R.host.processor}, ${(R.host.memory_bytes / 2 ** 30).toFixed(1)} GiB, ${R.host.kernel}`);
	say("asked", Object.entries(R.asked).map(([k, v]) => `${k} ${v === "" ? "–" : v}`).join(", "));
	say("marked rows", `${count(R.marks)}` + (R.marks_dropped ? `, ${count(R.marks_dropped)} dropped` : ""));
	for (const s of R.sinks) {
		say(s.name, s.seen_by === "reader" ? `seen by an independent reader; ${count(s.looks)} looks, the longest ${ms(s.look_max_ms)}` +
			(s.look_errors ? `; ${count(s.look_errors)} failed: ${s.look_error}` : "") :
			"by counting: the n-th row committed against the n-th acknowledged, sampled ten times a second");
		say("", (s.drain_ms === null ? "did not get all rows in time" : `had all rows ${ms(s.drain_ms)} after the last commit`) +
			`; ${count(s.rejected)} rejected, ${count(s.errors)} errors`);
	}
	say("generator", `${R.generator_cpu_s.toFixed(1)} s of processor time, readers included`);
	if (R.engine_restarts) say("engine", `started anew ${R.engine_restarts} times meanwhile`);
	page.append(list);
}

for (const part of [verdict, numbers, thresholds, flow, stageTable, sinkTable, freshness, proof, comparison, cost, circumstances]) part();

const redrawAll = () => charts.forEach(c => c.redraw());
let width = innerWidth;
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; redrawAll(); } });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);
/* Paper is white. */
addEventListener("beforeprint", () => { document.documentElement.classList.add("print"); redrawAll(); });
addEventListener("afterprint", () => { document.documentElement.classList.remove("print"); redrawAll(); });
document.documentElement.dataset.drawn = "yes";
