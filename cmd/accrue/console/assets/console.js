// The live part of the console: figures and charts. All else is HTML. Texts are only ever set as text, never as markup.
"use strict";
(() => {
  const colour = (n) => getComputedStyle(document.documentElement).getPropertyValue("--" + n).trim();
  const colours = ["c1", "c2", "c3", "c4", "c5", "c6", "c7"];
  const axes = (text) => {
    const axis = { stroke: colour("soft"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    const times = (_, at) => at.map((t) => text(new Date(t * 1000).toISOString()));
    return [{ ...axis, grid: { show: false }, space: 80, values: times }, { ...axis, size: 64 }];
  };
  const utc = (t) => uPlot.tzDate(new Date(t * 1000), "Etc/UTC");
  const draw = (at, text, options, data) => {
    const plot = new uPlot({ width: at.clientWidth, height: 220, tzDate: utc, cursor: { y: false }, axes: axes(text), ...options }, data, at);
    new ResizeObserver(() => plot.setSize({ width: at.clientWidth, height: 220 })).observe(at);
    return plot;
  };

  const live = document.querySelector("[data-live]");
  if (live) {
    const box = document.getElementById("flow");
    const from0 = { y: { range: (_, __, max) => [0, Math.max(5, max * 1.1)] } };
    const line = (label, name) => ({ label, stroke: colour(name), width: 2, points: { show: false } });
    let plot = null;
    const cell = (row, text, name) => {
      const td = row.insertCell();
      td.textContent = text;
      if (name) td.className = name;
      return td;
    };
    const show = (flow) => {
      for (const place of live.querySelectorAll("[data-fill]")) {
        const text = String(flow[place.dataset.fill]);
        if (place.textContent !== text) place.textContent = text;
      }
      const data = [flow.times, flow.events, flow.grants, flow.denials];
      if (plot) plot.setData(data);
      else plot = draw(box, (iso) => iso.slice(11, 19), { scales: from0, series: [{}, { ...line(box.dataset.events, "c1"), fill: colour("c1") + "22" }, line(box.dataset.grants, "c2"), line(box.dataset.denials, "c4")] }, data);
      const body = live.querySelector("#recent tbody");
      if (!flow.recent || !flow.recent.length || body.contains(document.activeElement)) return;
      body.replaceChildren();
      for (const d of flow.recent) {
        const row = body.insertRow();
        cell(row, d.at);
        const link = document.createElement("a");
        link.href = "/member?id=" + encodeURIComponent(d.member);
        link.textContent = d.member;
        cell(row, "").append(link);
        const badge = document.createElement("span");
        badge.className = "badge " + (/^[A-Z]+$/.test(d.outcome) ? d.outcome : "");
        badge.textContent = d.word;
        cell(row, "").append(badge);
        cell(row, d.points, "n");
        cell(row, d.why);
      }
    };
    const source = new EventSource(live.dataset.live);
    source.onmessage = (e) => show(JSON.parse(e.data));
    addEventListener("pagehide", () => source.close());
  }

  // One box for all letters that are shown.
  const all = document.getElementById("all");
  if (all) all.addEventListener("change", () => {
    for (const box of document.querySelectorAll('#letters input[name="id"]')) box.checked = all.checked;
  });

  // Stacked bars: each series is drawn with those below it added, the highest first.
  const issued = document.querySelector("[data-issuance]");
  if (issued) {
    fetch(issued.dataset.issuance).then((r) => r.json()).then((data) => {
      if (!data.series || !data.series.length) {
        issued.textContent = issued.dataset.none;
        return;
      }
      const sums = data.times.map(() => 0);
      const stacked = data.series.map((s) => s.values.map((v, i) => (sums[i] += v)));
      const legend = document.getElementById("issuance-legend");
      data.series.forEach((s, i) => {
        const item = document.createElement("li");
        item.className = colours[i % colours.length];
        item.textContent = s.label;
        legend.append(item);
      });
      const bars = uPlot.paths.bars({ size: [0.8, 40] });
      const series = data.series.map((s, i) => ({ label: s.label, fill: colour(colours[i % colours.length]), width: 0, paths: bars, points: { show: false } }));
      const text = issued.dataset.issuance.endsWith("day") ? (iso) => iso.slice(5, 10) : (iso) => iso.slice(5, 16).replace("T", " ");
      const half = (data.times[1] - data.times[0]) / 2; // so that the first and the last bar are whole
      const scales = { x: { range: (_, min, max) => [min - half, max + half] }, y: { range: (_, __, max) => [0, Math.max(10, max * 1.1)] } };
      draw(issued, text, { scales, series: [{}, ...series.reverse()] }, [data.times, ...stacked.reverse()]);
    });
  }
})();
