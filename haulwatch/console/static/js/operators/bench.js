// What the page knows: the city in force, the draft of this person in this browser, what a check of it said.
import { Problem, getJson, postJson } from "../api.js";

const BASE = "/api/v1/workbench";
const KEY = "haulwatch.draft";
const CHECK_AFTER_MS = 350;
const LOOK_MS = 2000;

class Bench extends EventTarget {
  me = null;
  shop = null;
  rollouts = [];
  draft = emptyDraft(null);
  checked = null; // of the draft as it is now
  checking = false;
  problem = null;
  #timer = null;
  #look = null;
  #check = 0;

  async start() {
    this.me = await getJson("/api/v1/me");
    await this.load();
    this.#look = setInterval(() => this.#follow(), LOOK_MS);
  }

  can(role) {
    return this.me?.roles.includes(role) ?? false;
  }

  async load() {
    await this.#try(async () => {
      const [shop, { rollouts }] = await Promise.all([getJson(BASE), getJson(`${BASE}/rollouts`)]);
      Object.assign(this, { shop, rollouts });
      this.#restore();
    });
    if (!this.empty) this.#checkNow();
  }

  rule(ruleId) {
    return this.shop?.rules.find((rule) => rule.rule_id === ruleId) ?? null;
  }

  ruleDraft(ruleId) {
    return this.draft.rules[ruleId] ?? { params: {}, status: null, exceptions: null };
  }

  get empty() {
    return ["rules", "files", "zones"].every((part) => !Object.keys(this.draft[part]).length);
  }

  get count() {
    const rules = Object.values(this.draft.rules);
    const ofRules = rules.reduce((sum, one) => sum + Object.keys(one.params).length + (one.status ? 1 : 0) + (one.exceptions ? 1 : 0), 0);
    return ofRules + Object.keys(this.draft.files).length + Object.keys(this.draft.zones).length;
  }

  // The value as it would be; what is set back to what it was leaves the draft.
  value(rule, param) {
    return this.ruleDraft(rule.rule_id).params[param.name] ?? param.value;
  }

  setParam(rule, param, value) {
    const params = { ...this.ruleDraft(rule.rule_id).params };
    if (value === param.value) delete params[param.name];
    else params[param.name] = value;
    this.#setRule(rule.rule_id, { params });
  }

  setStatus(rule, status) {
    this.#setRule(rule.rule_id, { status: status === rule.status ? null : status });
  }

  exceptions(rule) {
    return this.ruleDraft(rule.rule_id).exceptions ?? rule.exceptions;
  }

  setExceptions(rule, exceptions) {
    const same = JSON.stringify(exceptions) === JSON.stringify(rule.exceptions);
    this.#setRule(rule.rule_id, { exceptions: same ? null : exceptions });
  }

  file(name) {
    return this.draft.files[name] ?? this.shop.files.find((file) => file.name === name)?.text ?? "";
  }

  setFile(name, text) {
    const files = { ...this.draft.files };
    if (this.shop.files.find((file) => file.name === name)?.text === text) delete files[name];
    else files[name] = text;
    this.#keep({ ...this.draft, files });
  }

  // What is to become of a zone; null deletes it, undefined leaves it as it is.
  setZone(zoneId, draft) {
    const zones = { ...this.draft.zones, [zoneId]: draft };
    const same = draft && !draft.added && !draft.geometry && !Object.keys(draft.properties).length;
    if (draft === undefined || same) delete zones[zoneId];
    this.#keep({ ...this.draft, zones });
  }

  setZones(zones) {
    this.#keep({ ...this.draft, zones: { ...this.draft.zones, ...zones } });
  }

  discard() {
    this.#keep(emptyDraft(this.shop.city_hash));
  }

  findings(errorsOnly = false) {
    const found = this.checked?.findings ?? [];
    return errorsOnly ? found.filter((finding) => finding.severity === "error") : found;
  }

  // The rule whose drafted params or exceptions a finding is about; null for one of a file.
  ruleOf(finding) {
    const { rules, files } = this.draft;
    if (finding.file.startsWith("geofences/") || finding.file in files || this.shop.files.some((file) => file.name === finding.file && !finding.file.includes("/local/"))) return null;
    const name = paramIn(finding);
    return Object.keys(rules).find((ruleId) => name in rules[ruleId].params) ?? Object.keys(rules)[0] ?? null;
  }

  // What is wrong with a drafted param.
  wrong(rule, param) {
    const drafted = this.ruleDraft(rule.rule_id).params;
    if (!(param.name in drafted)) return [];
    return this.findings(true).filter((finding) => paramIn(finding) === param.name && this.ruleOf(finding) === rule.rule_id);
  }

  propose(note) {
    return this.#act(async () => {
      await postJson(`${BASE}/rollouts`, { draft: this.draft, note });
      this.discard();
    });
  }

  decide(rollout, approve, note) {
    return this.#act(() => postJson(`${BASE}/rollouts/${rollout.rollout_id}/decision`, { approve, note }));
  }

  withdraw(rollout) {
    return this.#act(() => postJson(`${BASE}/rollouts/${rollout.rollout_id}/withdrawal`, {}));
  }

  rollBack(note, to = null) {
    return this.#act(() => postJson(`${BASE}/rollback`, { note, to }));
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }

  #setRule(ruleId, change) {
    const rule = { ...this.ruleDraft(ruleId), ...change };
    const rules = { ...this.draft.rules, [ruleId]: rule };
    if (!Object.keys(rule.params).length && !rule.status && !rule.exceptions) delete rules[ruleId];
    this.#keep({ ...this.draft, rules });
  }

  #keep(draft) {
    this.draft = draft;
    this.checked = null;
    this.#store();
    this.changed();
    clearTimeout(this.#timer);
    this.#check++;
    if (!this.empty) this.#timer = setTimeout(() => this.#checkNow(), CHECK_AFTER_MS);
  }

  // A draft that this browser has no room for lasts as long as the page.
  #store() {
    localStorage.removeItem(KEY);
    if (this.empty) return;
    try {
      localStorage.setItem(KEY, JSON.stringify(this.draft));
    } catch (error) {
      if (error.name !== "QuotaExceededError") throw error;
    }
  }

  // What was drafted on another city is laid over the one in force: params by name still mean the same.
  #restore() {
    if (this.draft.base_hash === this.shop.city_hash) return;
    let draft = null;
    try {
      draft = JSON.parse(localStorage.getItem(KEY));
    } catch {
      localStorage.removeItem(KEY);
    }
    this.draft = draft ? { ...emptyDraft(null), ...draft, base_hash: this.shop.city_hash } : emptyDraft(this.shop.city_hash);
    this.checked = null;
  }

  async #checkNow() {
    const number = ++this.#check;
    this.checking = true;
    this.changed();
    await this.#try(async () => {
      const checked = await postJson(`${BASE}/check`, this.draft);
      if (number === this.#check) this.checked = checked;
    });
    if (number === this.#check) this.checking = false;
    this.changed();
  }

  // Others propose and approve, and what was approved comes into force: looked at while the page is seen.
  async #follow() {
    if (document.visibilityState !== "visible") return;
    try {
      const { rollouts } = await getJson(`${BASE}/rollouts`);
      const told = JSON.stringify(rollouts);
      if (told === JSON.stringify(this.rollouts)) return;
      await this.load();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    }
  }

  async #act(action) {
    const done = await this.#try(action);
    if (done) await this.load();
    return done;
  }

  async #try(action) {
    try {
      await action();
      this.problem = null;
      return true;
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      this.problem = problem;
      return false;
    } finally {
      this.changed();
    }
  }
}

const paramIn = (finding) => /^\s*([\w.-]+):/.exec(finding.snippet ?? "")?.[1] ?? "";

function emptyDraft(baseHash) {
  return { base_hash: baseHash, rules: {}, files: {}, zones: {} };
}

export const bench = new Bench();
