// Trials on recorded events: begun here, followed until they are done. One of the rules in force, one of the draft.
import { Problem, getJson, postJson, request } from "../api.js";
import { bench } from "./bench.js";

const BASE = "/api/v1/workbench";
const LOOK_MS = 700;
export const DAYS = [1, 7, 30, null];

class Trials extends EventTarget {
  days = 30;
  scores = null; // rule id → RuleScore
  baseline = null; // rule id → RuleTrial, of the city in force
  baselineOf = null; // its city
  running = null; // Trial
  last = null; // Trial of a draft that is done, with the draft that it tried
  problem = null;

  async loadScores() {
    const card = await getJson(`${BASE}/scorecard?days=${this.days ?? 3660}`);
    this.scores = new Map(card.rules.map((rule) => [rule.rule_id, rule]));
    this.#changed();
  }

  ruleTrial(ruleId) {
    return this.baselineOf === bench.shop.city_hash ? (this.baseline?.get(ruleId) ?? null) : null;
  }

  get stale() {
    return this.last !== null && this.last.draft !== JSON.stringify(bench.draft);
  }

  setDays(days) {
    this.days = days;
    this.#changed();
  }

  async tryInForce() {
    const base = bench.shop.city_hash;
    const trial = await this.#follow({ base_hash: base, rules: {}, files: {} });
    if (!trial?.backtest) return;
    this.baseline = new Map(trial.backtest.rules.map((rule) => [rule.rule_id, rule]));
    this.baselineOf = base;
    this.#changed();
  }

  async tryDraft() {
    const draft = JSON.stringify(bench.draft);
    const trial = await this.#follow(bench.draft);
    if (!trial?.difference) return;
    this.last = { ...trial, draft };
    this.#changed();
  }

  async cancel() {
    if (this.running) await request(`${BASE}/trials/${this.running.trial_id}`, { method: "DELETE" });
  }

  async #follow(draft) {
    try {
      this.problem = null;
      let trial = await postJson(`${BASE}/trials`, { draft, days: this.days });
      while (trial.state === "running") {
        this.running = trial;
        this.#changed();
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
        trial = await getJson(`${BASE}/trials/${trial.trial_id}`);
      }
      if (trial.state === "failed") this.problem = { text: trial.trouble };
      return trial;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.problem = problem;
      return null;
    } finally {
      this.running = null;
      this.#changed();
    }
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
    bench.changed();
  }
}

export const trials = new Trials();
