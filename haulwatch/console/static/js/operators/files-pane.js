// The city's files as text, with errors at their lines. For what the forms do not cover.
import { t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { bench } from "./bench.js";
import { findingsView } from "./changes.js";
import { BenchElement } from "./element.js";

class FilesPane extends BenchElement {
  static properties = { place: {} }; // "name:line"
  #gone = null;

  get #name() {
    const name = (this.place ?? "").replace(/:\d+$/, "");
    const known = bench.shop.files.some((file) => file.name === name) || name in bench.draft.files;
    return known ? name : (bench.shop.files.find((file) => file.name.startsWith("rules/"))?.name ?? bench.shop.files[0].name);
  }

  render() {
    const name = this.#name;
    const names = [...new Set([...bench.shop.files.map((file) => file.name), ...Object.keys(bench.draft.files)])].sort();
    const text = bench.file(name);
    const findings = bench.findings().filter((finding) => finding.file === name);
    const shipped = bench.shop.files.find((file) => file.name === name)?.shipped;
    return html`<div class="panes">
      <nav class="rule-list" aria-label=${t("files.list")}><ul>${names.map((one) => this.#item(one, one === name))}</ul></nav>
      <article class="file">
        <h2>${name}</h2>
        ${shipped ? html`<p class="dim">${t("files.shipped")}</p>` : nothing}
        <div class="editor">
          <pre class="gutter" aria-hidden="true">${this.#gutter(text, findings)}</pre>
          <textarea
            aria-label=${name}
            spellcheck="false"
            wrap="off"
            .value=${text}
            ?readonly=${!bench.can("operator")}
            @input=${(event) => bench.setFile(name, event.target.value)}
            @scroll=${(event) => (this.querySelector(".gutter").scrollTop = event.target.scrollTop)}
          ></textarea>
        </div>
        ${findings.length ? findingsView(findings, (finding) => this.#go(finding.line)) : nothing}
      </article>
    </div>`;
  }

  updated() {
    const line = Number(/:(\d+)$/.exec(this.place ?? "")?.[1] ?? 0);
    if (line && this.#gone !== this.place) {
      this.#gone = this.place;
      this.#go(line);
    }
  }

  #item(name, selected) {
    const worst = bench.findings().filter((finding) => finding.file === name);
    const errors = worst.filter((finding) => finding.severity === "error").length;
    return html`<li><a href=${`#files/${encodeURIComponent(name)}`} aria-current=${selected ? "true" : nothing}>
      <span>${name}</span>
      <span class="marks">${name in bench.draft.files ? html`<span class="mark draft">${t("rules.drafted")}</span>` : nothing}
        ${errors ? html`<span class="mark error">${t("files.errors", { n: errors })}</span>` : nothing}</span>
    </a></li>`;
  }

  #gutter(text, findings) {
    const marks = new Map(findings.map((finding) => [finding.line, finding.severity]));
    return text.split("\n").map((_, i) => html`<span class=${marks.get(i + 1) ?? ""}>${i + 1}\n</span>`);
  }

  #go(line) {
    const area = this.querySelector("textarea");
    const lines = area.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
    const height = area.scrollHeight / Math.max(lines.length, 1);
    area.scrollTop = Math.max(0, (line - 6) * height);
  }
}

customElements.define("hw-files-pane", FilesPane);
