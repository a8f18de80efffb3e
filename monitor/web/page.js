"use strict";
/* The live page: one stream of facts (events), drawn as they come. No library, no request to anywhere else. */

const $ = (id) => document.getElementById(id);
const HISTORY = 300;
const history = [];
let paused = false;
let heardAt = 0;

const known = (x) => x !== null && x !== undefined;
const count = (x) => !known(x) ? "?" : x < 10 && x % 1 !== 0 ? x.toFixed(1) : x < 1000 ? x.toFixed(0) :
	x < 999950 ? (x / 1e3).toFixed(1) + "k" : (x / 1e6).toFixed(1) + "M";
const bytes = (x) => !known(x) ? "?" : x < 1000 ? x + " B" : x < 1e6 ? (x / 1e3).toFixed(1) + " kB" : (x / 1e6).toFixed(1) + " MB";
const seconds = (x) => x < 1 ? (x * 1000).toFixed(0) + " ms" : x < 120 ? x.toFixed(x < 10 ? 1 : 0) + " s" : (x / 60).toFixed(0) + " min";
const bound = (x) => !known(x) ? "–" : "≤ " + seconds(x);
const percent = (x) => !known(x) ? "?" : (100 * x).toFixed(0) + " %";

/* Elements are made, never parsed: what comes from a sink's error is text and nothing else. */
function element(tag, text, className) {
	const made = document.createElement(tag);
	if (text !== undefined) made.textContent = text;
	if (className) made.className = className;
	return made;
}
const fill = (parent, children) => parent.replaceChildren(...children);

const TONE = {OK: "good", IDLE: "idle", BEHIND: "warn", DEGRADED: "warn", STALLED: "bad", DOWN: "bad", ASKING: "idle"};
const ordinary = (sink) => sink.state === "live";
const sinkTone = (sink) => sink.stalled ? "bad" : ordinary(sink) ? "good" : sink.state === "unknown" ? "bad" : "warn";

function box(name, tone, lines) {
	const made = element("div", undefined, "box " + tone);
	made.append(element("b", name), ...lines.map((line) => element("span", line)));
	return made;
}

function drawFlow(facts) {
	const n = facts.neighbours, e = facts.engine;
	const busiest = Math.max(0, ...facts.threads.map((t) => t.busy || 0));
	const blocked = Math.max(0, ...facts.threads.map((t) => t.backpressured || 0));
	const runs = n.connect.answers && n.connect.task === "RUNNING";
	const parts = [
		box("PostgreSQL", n.postgres.answers ? "good" : "bad", n.postgres.answers ? [count(n.postgres.changes_per_s) + " changes/s"] : ["down", n.postgres.error]),
		box("Debezium", runs ? "good" : "bad", n.connect.answers ? [n.connect.task || "no connector", "slot " + bytes(n.postgres.slot_lag_bytes)] : ["down", n.connect.error]),
		box("Kafka", n.kafka.answers ? "good" : "bad", n.kafka.answers ? [count(e.read_per_s) + " records/s", "lag " + count(e.lag_records)] : ["down", n.kafka.error]),
		box("anabranch", e.answers ? (blocked > 0.5 ? "warn" : "good") : "bad",
			e.answers ? [percent(busiest) + " busy, " + percent(blocked) + " waiting", "cpu " + percent(e.cpu_share) + ", " + bytes(e.resident_bytes)] : ["down", e.error]),
	];
	const fan = element("div", undefined, "fan");
	fan.append(...facts.sinks.map((sink) => box(sink.name, sinkTone(sink), [sink.stalled ? "stalled" : sink.state, count(sink.acked_per_s) + "/s, behind " + count(sink.behind_records)])));
	const items = [...parts, fan].map((part, i) => {
		const item = element("li");
		if (i > 0) {
			const arrow = element("span", "→", "arrow");
			arrow.setAttribute("aria-hidden", "true");
			item.append(arrow);
		}
		item.append(part);
		return item;
	});
	fill($("flow"), items);
}

function drawSinks(facts) {
	fill($("sinks").tBodies[0], facts.sinks.map((sink) => {
		const row = element("tr");
		const state = element("td", sink.stalled ? "STALLED " + seconds(sink.stalled_s) : sink.state, sinkTone(sink));
		if (sink.why) state.append(element("small", sink.why));
		const head = element("th", sink.name);
		head.scope = "row";
		const batch = known(sink.batch_records) ? count(sink.batch_records) + " / " + sink.batch_records_max : "–";
		const cells = [count(sink.given_per_s), count(sink.acked_per_s), bound(sink.freshness_p50_s), bound(sink.freshness_p99_s),
			count(sink.behind_records) + (known(sink.behind_s) ? ", " + seconds(sink.behind_s) : ""), count(sink.in_flight_requests), batch,
			count(sink.retries), count(sink.duplicates), count(sink.dead), count(sink.errors)];
		row.append(head, state, ...cells.map((cell) => element("td", cell)));
		return row;
	}));
}

const LINES = [["read", "var(--ink)", ""], ["0", "var(--idle)", "6 3"], ["1", "var(--warn)", "2 2"], ["2", "var(--good)", "8 2 2 2"]];

function polyline(values, most, colour, dash) {
	const made = document.createElementNS("http://www.w3.org/2000/svg", "path");
	let path = "", pen = false;
	values.forEach((value, i) => {
		if (!known(value)) { pen = false; return; }
		path += (pen ? "L" : "M") + (i * 600 / (HISTORY - 1)).toFixed(1) + " " + (118 - 112 * value / most).toFixed(1);
		pen = true;
	});
	made.setAttribute("d", path);
	made.setAttribute("fill", "none");
	made.style.stroke = colour;
	made.setAttribute("stroke-width", "1.8");
	made.setAttribute("stroke-dasharray", dash);
	made.setAttribute("vector-effect", "non-scaling-stroke");
	return made;
}

function drawRate(facts) {
	const padded = (pick) => [...Array(HISTORY - history.length).fill(null), ...history.map(pick)];
	const series = [["read from Kafka", padded((f) => f.engine.read_per_s)],
		...facts.sinks.map((sink, s) => ["acked by " + sink.name, padded((f) => f.sinks[s] && f.sinks[s].acked_per_s)])];
	const most = Math.max(1, ...series.flatMap((s) => s[1].filter(known)));
	const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
	svg.setAttribute("viewBox", "0 0 600 120");
	svg.setAttribute("preserveAspectRatio", "none");
	svg.setAttribute("role", "img");
	svg.setAttribute("aria-label", series.map((s) => s[0] + " " + count(s[1][HISTORY - 1]) + " a second").join(", "));
	svg.append(...series.map((s, i) => polyline(s[1], most, LINES[i % 4][1], LINES[i % 4][2])));
	const legend = element("div", undefined, "legend");
	legend.append(...series.map((s, i) => {
		const item = element("span");
		const mark = element("i");
		mark.style.color = LINES[i % 4][1];
		mark.style.borderTopStyle = LINES[i % 4][2] ? "dashed" : "solid";
		item.append(mark, s[0] + " " + count(s[1][HISTORY - 1]));
		return item;
	}));
	const axis = element("div", undefined, "axis");
	axis.append(element("span", "top " + count(most) + "/s"), element("span", "last 5 minutes"));
	fill($("rate"), [legend, svg, axis]);
}

/* One column a second, one row a bucket: what percentiles hide (two modes, a slow tail) is seen here. */
function drawHeat(facts) {
	const figures = facts.sinks.map((sink, s) => {
		const figure = element("figure"), canvas = element("canvas"), caption = element("figcaption");
		const bounds = facts.freshness_bounds_s, rows = bounds.length + 1;
		canvas.width = HISTORY;
		canvas.height = rows;
		canvas.setAttribute("role", "img");
		canvas.setAttribute("aria-label", sink.name + ": p50 " + bound(sink.freshness_p50_s) + ", p99 " + bound(sink.freshness_p99_s));
		const pen = canvas.getContext("2d");
		const colour = getComputedStyle(document.documentElement).getPropertyValue("--heat");
		history.forEach((f, i) => {
			const counts = f.sinks[s] && f.sinks[s].freshness_counts;
			const total = counts ? counts.reduce((a, b) => a + b, 0) : 0;
			if (total <= 0) return;
			counts.forEach((n, b) => {
				if (n <= 0) return;
				pen.fillStyle = "rgba(" + colour + "," + Math.min(1, 0.15 + 0.85 * Math.sqrt(n / total)) + ")";
				pen.fillRect(HISTORY - history.length + i, rows - 1 - b, 1, 1);
			});
		});
		caption.append(element("b", sink.name), element("span", bounds.length ? seconds(bounds[0]) + " at the bottom, " + seconds(bounds[bounds.length - 1]) + " at the top" : "not known"));
		figure.append(caption, canvas);
		return figure;
	});
	fill($("heat"), figures);
}

function drawRest(facts) {
	fill($("partitions"), facts.partitions.map((p) => {
		const tone = {OK: "good", WARN: "warn", STOP: "bad"}[p.status] || "";
		const item = element("li");
		item.append(element("span", "p" + p.partition), element("span", count(p.lag_records)), element("b", p.status, tone));
		return item;
	}));
	fill($("threads"), facts.threads.map((t) => {
		const item = element("li"), bar = element("span", undefined, "bar");
		for (const [name, share] of [["busy", t.busy], ["blocked", t.backpressured]]) {
			const piece = element("i", undefined, name);
			piece.style.width = 100 * Math.min(1, share || 0) + "%";
			bar.append(piece);
		}
		bar.setAttribute("role", "img");
		bar.setAttribute("aria-label", percent(t.busy) + " busy, " + percent(t.backpressured) + " back-pressured");
		item.append(element("span", t.name), bar, element("span", percent(t.busy) + " busy" + (known(t.backpressured) ? ", " + percent(t.backpressured) + " waits" : "")));
		return item;
	}));
	const r = facts.neighbours.redis;
	fill($("boards"), !r.answers ? [element("p", "Redis does not answer: " + r.error, "warn")] :
		[["by engagement, %", r.top_by_engagement.slice(0, 3)], ["by access", r.top_by_access], ["content, sum of %", r.top_content]].map(([title, rows]) => {
			const board = element("div"), table = element("table");
			table.append(...rows.map((row) => {
				const line = element("tr");
				line.append(element("td", row.name), element("td", count(row.score)));
				return line;
			}));
			board.append(element("h3", title), table);
			return board;
		}));
	const troubles = facts.sinks.filter((s) => s.errors > 0 || s.dead > 0 || s.why).map((s) =>
		element("li", s.name + ": " + count(s.errors) + " errors (" + count(s.errors_in_window) + " new), " + count(s.dead) + " dead letters" + (s.why ? ": " + s.why : ""),
			s.errors_in_window > 0 ? "bad" : ""));
	if (facts.engine.enriched_as_unknown > 0) troubles.push(element("li", "enrichment: " + count(facts.engine.enriched_as_unknown) + " events of unknown content"));
	fill($("errors"), troubles.length ? troubles : [element("li", facts.engine.answers ? "none" : "not known")]);
}

function draw(facts) {
	$("word").className = TONE[facts.health] || "";
	$("health").textContent = facts.health;
	$("sentence").textContent = facts.sentence;
	$("bottleneck").textContent = facts.bottleneck;
	$("bottleneck").hidden = !facts.bottleneck;
	$("version").textContent = facts.engine.version;
	$("freshness").textContent = "freshness p99 " + bound(facts.engine.freshness_p99_s) + (facts.engine.freshness_sink ? " (" + facts.engine.freshness_sink + ")" : "");
	$("clock").textContent = new Date(facts.at_ms).toLocaleTimeString();
	document.title = facts.health + " – anabranch";
	drawFlow(facts);
	drawSinks(facts);
	drawRate(facts);
	drawHeat(facts);
	drawRest(facts);
}

$("pause").addEventListener("click", () => {
	paused = !paused;
	$("pause").setAttribute("aria-pressed", String(paused));
	$("pause").textContent = paused ? "Go on" : "Pause";
	if (!paused && history.length) draw(history[history.length - 1]);
});

const stream = new EventSource("events");
stream.onmessage = (message) => {
	const facts = JSON.parse(message.data);
	heardAt = Date.now();
	history.push(facts);
	if (history.length > HISTORY) history.shift();
	if (!paused) draw(facts);
};

/* The monitor itself may be gone: nothing old may look like now. */
setInterval(() => {
	if (heardAt && Date.now() - heardAt > 5000) {
		$("word").className = "bad";
		$("health").textContent = "NO NEWS";
		$("sentence").textContent = "the monitor has not been heard for " + Math.round((Date.now() - heardAt) / 1000) + " s: all below is old";
	}
}, 1000);
