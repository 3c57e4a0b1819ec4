// Filters under a name, for the person who is logged in, in this browser. To share one, share the page's address.
import { queryOf } from "./filter.js";

const keyOf = (person) => `haulwatch.views.${person}`;

// [{ name, query }] in the order in which they were saved.
export function savedViews(person) {
  try {
    const kept = JSON.parse(localStorage.getItem(keyOf(person)) ?? "[]");
    return Array.isArray(kept) ? kept : [];
  } catch {
    return []; // somebody else's writing in the browser's storage
  }
}

export function saveView(person, name, filter) {
  const others = savedViews(person).filter((view) => view.name !== name);
  keep(person, [...others, { name, query: queryOf(filter) }]);
}

export function forgetView(person, name) {
  keep(person, savedViews(person).filter((view) => view.name !== name));
}

function keep(person, views) {
  localStorage.setItem(keyOf(person), JSON.stringify(views));
}
