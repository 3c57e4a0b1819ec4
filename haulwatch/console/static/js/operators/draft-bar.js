// The draft at the foot of the page: what it changes, whether it is right, and the way to a second person.
import { say, t } from "../i18n.js";
import { html, nothing } from "../lib.js";
import { bench } from "./bench.js";
import { changesView, findingsView } from "./changes.js";
import { BenchElement } from "./element.js";
import { zones } from "./zones.js";

class DraftBar extends BenchElement {
  render() {
    if (bench.empty || !bench.can("operator")) return nothing;
    const errors = bench.findings(true);
    const ready = bench.checked !== null && !errors.length;
    return html`<aside class="draft-bar" aria-label=${t("draft.title")}>
      <details ?open=${errors.length > 0}>
        <summary><b>${t("draft.count", { n: bench.count })}</b> ${this.#state(errors, ready)}</summary>
        <div class="what">${errors.length ? findingsView(errors, goToFinding) : ready ? changesView(bench.checked.changes) : nothing}</div>
      </details>
      <form @submit=${(event) => this.#propose(event)}>
        <input name="note" required maxlength="1000" aria-label=${t("draft.note")} placeholder=${t("draft.note")} />
        <a href="#trial" data-to-trial>${t("draft.try")}</a>
        <button class="primary" data-propose ?disabled=${!ready}>${t("draft.propose")}</button>
        <button type="button" data-discard @click=${() => confirm(t("draft.discard_sure")) && bench.discard()}>${t("draft.discard")}</button>
      </form>
    </aside>`;
  }

  #state(errors, ready) {
    if (bench.checking || !bench.checked) return html`<span class="dim" role="status">${t("draft.checking")}</span>`;
    if (!ready) return html`<span class="bad" role="status">${t("draft.errors", { n: errors.length })}</span>`;
    return html`<span class="good" role="status">${t("draft.good")}</span>`;
  }

  async #propose(event) {
    event.preventDefault();
    const note = new FormData(event.target).get("note");
    if (await bench.propose(note)) location.hash = "#rollouts";
  }
}

// What the forms wrote is told at the form, what stands in a file at its line.
export function goToFinding(finding) {
  const ruleId = bench.ruleOf(finding);
  const zoneId = finding.file in bench.draft.files ? null : zones.of(finding);
  if (zoneId) {
    location.hash = `#zones/${encodeURIComponent(zoneId)}`;
    return;
  }
  location.hash = ruleId ? `#rules/${encodeURIComponent(ruleId)}` : `#files/${encodeURIComponent(finding.file)}:${finding.line}`;
}

export const problemView = () =>
  bench.problem ? html`<p class="problem" role="alert">${say(bench.problem.text) || bench.problem.message}</p>` : nothing;

customElements.define("hw-draft-bar", DraftBar);
