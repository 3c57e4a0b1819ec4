// Before the first paint, so that a light screen never flashes dark. Classic script: modules would run too late.
document.documentElement.dataset.theme = localStorage.getItem("haulwatch.theme") === "light" ? "light" : "dark";
