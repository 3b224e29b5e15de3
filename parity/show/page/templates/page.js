"use strict";
(() => {
  const STEP = 150;
  const SHOWN = [["tap", "tap"], ["mode", "error"], ["passed", "verdict"], ["rmse", "RMSE"], ["floor", "floor"],
    ["ratio32", "ratio32"], ["ratio64", "ratio64"], ["ratio_slice", "worst slice"], ["headroom", "headroom"]];
  const DETAIL = [["part", "part"], ["shape", "shape"], ["rmse", "RMSE"], ["relative", "relative RMSE"], ["reference_rms", "reference RMS"],
    ["floor", "noise floor"], ["ratio32", "ratio32"], ["bound_ratio32", "its bound"], ["ratio64", "ratio64"], ["bound_ratio64", "its bound"],
    ["slice", "worst slice"], ["ratio_slice", "its ratio64"], ["bound_ratio_slice", "its bound"],
    ["headroom", "headroom"], ["max_abs", "largest error"], ["where", "at"], ["gain", "gain"], ["nonfinite", "not finite"],
    ["margin", "margin"], ["ties", "ties"], ["word", "with mathematics"], ["mathematics", "largest difference in double"],
    ["own", "own floor"]];
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;

  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    if (text !== null && text !== undefined) element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const figure = (value) => {
    if (value === null || value === undefined) return "–";
    if (typeof value !== "number" || Number.isInteger(value)) return String(value);
    const size = Math.abs(value);
    return size >= 0.01 && size < 1e4 ? String(+value.toPrecision(4)) : value.toExponential(2);
  };

  const address = (number, mode, tap) => `#r${number}/${mode}/${encodeURIComponent(tap)}`;
  const opens = new Map();  // of each result that was shown: what opens a tap in it

  const view = (article) => {
    const table = data[+article.dataset.number];
    const column = Object.fromEntries(table.columns.map((name, index) => [name, index]));
    const get = (row, name) => row[column[name]];
    const words = (row, name) => {
      const value = get(row, name);
      if (name === "tap" || name === "shape" || name === "part") return table[name][value];
      if (name === "mode") return value ? "local" : "accumulated";
      if (name === "passed") return (value ? "✓ pass" : "✗ FAIL") + (["rounding", "device", "wrong"].includes(get(row, "word")) ? `, ${get(row, "word")}` : "");
      if (name === "word") return value || "–";
      if (name === "where") return value && value.length ? `[${value.join(", ")}]` : "–";
      if (name === "slice") return value && value.length ? `${value[0]} ${value[1]} of ${value[2]}` : "–";
      return figure(value);
    };
    const find = (selector) => article.querySelector(selector);
    const pictures = new Map([...article.querySelectorAll("template[data-tap]")].map((t) => [`${t.dataset.tap} ${t.dataset.mode}`, t]));
    const key = (row) => `${words(row, "tap")} ${words(row, "mode")}`;
    const body = find(".taps tbody"), head = find(".taps thead tr"), more = find(".more"), form = find(".filters");
    const order = { name: null, up: true };
    let rows = table.rows, shown = 0;

    table.part.forEach((name, index) => find(".f-part").append(make("option", name, { value: index })));
    for (const [name, title] of SHOWN) {
      const cell = make("th", null, { scope: "col", "data-column": name, class: `c-${name}` });
      const button = make("button", title, { type: "button" });
      if (name !== "tap" && name !== "mode" && name !== "passed") cell.classList.add("n");
      button.addEventListener("click", () => {
        order.up = order.name === name ? !order.up : ["tap", "mode", "passed", "headroom"].includes(name);
        order.name = name;
        refresh();
      });
      cell.append(button);
      head.append(cell);
    }

    const detail = (row) => {
      const line = make("tr", null, { class: "detail" }), cell = make("td", null, { colspan: SHOWN.length });
      if (get(row, "reason")) cell.append(make("p", get(row, "reason"), { class: "mark bad", style: "white-space:normal" }));
      const list = make("dl");
      for (const [name, title] of DETAIL) {
        const pair = make("div");
        pair.append(make("dt", title), make("dd", words(row, name)));
        list.append(pair);
      }
      const other = table.rows.find((r) => get(r, "tap") === get(row, "tap") && get(r, "mode") !== get(row, "mode"));
      if (other) {
        const pair = make("div");
        pair.append(make("dt", `${words(other, "mode")} error`), make("dd", `ratio32 ${words(other, "ratio32")}, ratio64 ${words(other, "ratio64")}`));
        list.append(pair);
      }
      cell.append(list);
      cell.append(make("a", "Link to this tap", { class: "link", href: address(article.dataset.number, words(row, "mode"), words(row, "tap")) }));
      const picture = pictures.get(key(row));
      if (picture) {
        const box = make("div", null, { class: "scroll", tabindex: "0", role: "region", "aria-label": `Error of ${words(row, "tap")}` });
        box.append(picture.content.cloneNode(true));
        cell.append(box);
      }
      line.append(cell);
      return line;
    };

    const draw = (row) => {
      const line = make("tr", null, get(row, "passed") ? {} : { class: "bad" });
      for (const [name] of SHOWN) {
        const cell = make("td", null, { class: `c-${name}` });
        if (name === "tap") {
          const button = make("button", (pictures.has(key(row)) ? "▦ " : "") + words(row, name), { type: "button", class: "link", "aria-expanded": "false" });
          button.addEventListener("click", () => {
            const open = button.getAttribute("aria-expanded") === "true";
            button.setAttribute("aria-expanded", String(!open));
            if (open) line.nextSibling.remove(); else line.after(detail(row));
          });
          cell.append(button);
        } else if (name === "passed") {
          cell.append(make("span", words(row, name), { class: `mark ${get(row, name) ? "good" : "bad"}` }));
        } else {
          const bound = name.startsWith("ratio") && get(row, name) !== null ? ` of ${words(row, `bound_${name}`)}` : "";
          cell.textContent = words(row, name) + bound;
          if (name !== "mode") cell.classList.add("n");
        }
        line.append(cell);
      }
      return line;
    };

    const extend = () => {
      const lines = document.createDocumentFragment();
      rows.slice(shown, shown + STEP).forEach((row) => lines.append(draw(row)));
      body.append(lines);
      shown = Math.min(shown + STEP, rows.length);
      more.hidden = shown >= rows.length;
      more.textContent = `Show ${Math.min(STEP, rows.length - shown)} more of ${rows.length - shown}`;
    };

    const refresh = () => {
      const name = find(".f-name").value.trim().toLowerCase(), part = find(".f-part").value;
      const mode = find(".f-mode").value, passed = find(".f-passed").value;
      const taps = name ? table.tap.map((tap) => tap.toLowerCase().includes(name)) : null;
      rows = table.rows.filter((row) => (!taps || taps[get(row, "tap")]) && (part === "" || get(row, "part") === +part) &&
        (mode === "" || get(row, "mode") === +mode) && (passed === "" || get(row, "passed") === +passed));
      if (order.name) {
        const by = (row) => order.name === "tap" ? table.tap[get(row, "tap")] : get(row, order.name);
        const sign = order.up ? 1 : -1;
        rows = rows.slice().sort((a, b) => {
          const x = by(a), y = by(b);
          if (x === null || y === null) return (x === null) - (y === null);  // what has no figure stands last
          return sign * (typeof x === "string" ? x.localeCompare(y, "en", { numeric: true }) : x - y);
        });
      }
      else if (passed === "0") rows.sort((a, b) => get(b, "mode") - get(a, "mode"));  // an accumulated error follows from a local one
      for (const cell of head.children) {
        if (cell.dataset.column === order.name) cell.setAttribute("aria-sort", order.up ? "ascending" : "descending");
        else cell.removeAttribute("aria-sort");
        const button = cell.firstChild;
        button.textContent = button.textContent.replace(/ [▲▼]$/, "") + (cell.dataset.column === order.name ? (order.up ? " ▲" : " ▼") : "");
      }
      body.replaceChildren();
      shown = 0;
      find(".count").textContent = `${rows.length} of ${table.rows.length} verdicts`;
      extend();
    };

    more.addEventListener("click", extend);
    form.addEventListener("input", refresh);
    form.addEventListener("change", refresh);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(refresh));
    const only = (part, name, mode) => {
      find(".f-part").value = part;
      find(".f-name").value = name;
      find(".f-mode").value = mode;
      find(".f-passed").value = "";
      refresh();
      form.scrollIntoView({ block: "start" });
    };
    article.querySelectorAll("[data-part]").forEach((tile) => tile.addEventListener("click", () => {
      only(tile.dataset.part, "", "");
      find(".f-part").focus({ preventScroll: true });
    }));
    opens.set(+article.dataset.number, (tap, mode) => {
      only("", tap, mode === "local" ? "1" : "0");
      const button = [...body.querySelectorAll("button")].find((b) => b.textContent.replace("▦ ", "") === tap);
      if (button) { button.click(); button.focus({ preventScroll: true }); }
    });
    if (table.rows.some((row) => !get(row, "passed"))) find(".f-passed").value = "0";
    refresh();
  };

  const ready = new Set();
  const show = (number) => document.querySelectorAll(".result").forEach((article) => {
    article.hidden = article.dataset.number !== String(number);
    if (!article.hidden && !ready.has(number)) { ready.add(number); view(article); }
  });
  const choose = document.getElementById("choose");
  const select = (number) => {
    if (choose) choose.value = number;
    show(number);
  };
  if (choose) choose.addEventListener("change", () => show(+choose.value));
  document.querySelectorAll("[data-choose]").forEach((link) => link.addEventListener("click", () => {
    select(+link.dataset.choose);
    document.getElementById(`r${link.dataset.choose}`).scrollIntoView();
  }));

  const theme = document.getElementById("theme");
  const paint = (dark) => {
    root.dataset.theme = dark ? "dark" : "light";
    theme.setAttribute("aria-pressed", String(dark));
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", () => paint(system.matches));
  theme.addEventListener("click", () => paint(root.dataset.theme !== "dark"));
  paint(system.matches);
  const follow = () => {
    const found = location.hash.match(/^#r(\d+)\/(local|accumulated)\/(.+)$/);
    if (!found || !document.getElementById(`r${found[1]}`)) return;
    select(+found[1]);
    opens.get(+found[1])(decodeURIComponent(found[3]), found[2]);
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#r"]');
    if (!link) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    follow();
  });
  addEventListener("hashchange", follow);
  show(choose ? +choose.value : 0);
  follow();
})();
