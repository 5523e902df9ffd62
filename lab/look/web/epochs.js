// The same z over the epochs: the generators of other epochs, each in a file beside this page that is
// loaded when it is wanted, and the slider that goes through them.
"use strict";

const scripts = new Map(); // epoch: the element that loads its file
const loaded = [];         // {epoch, layers}, which the painter is to be told of
const known = new Set([undefined]); // the epochs that it knows; undefined: the page's own

function isLoaded(epoch) {
  if (!known.has(epoch)) load(epoch);
  return known.has(epoch);
}

function load(epoch) {
  if (scripts.has(epoch)) return;
  const src = `play-${String(epoch).padStart(4, "0")}.js`, script = element("script", { src });
  script.addEventListener("error", () => {
    if (epoch === others[0]) $("#time").hidden = true; // the page was sent alone
    if (state.at !== epoch) return;
    go({ at: undefined }, true);
    $("#refused").textContent = say.noEpoch(src);
  });
  scripts.set(epoch, script);
  document.body.append(script);
}

// Each of the files calls this.
function takeGenerator(epoch, layers) {
  loaded.push({ epoch, layers });
  pump();
}

// Of the name of an image: its key, which says the epoch that draws it; and of a key the epoch.
function keyOf(name) { return name && state.at !== undefined ? `${name}@${state.at}` : name; }

function epochOf(key) { return key.includes("@") ? Number(key.split("@")[1]) : undefined; }

function showEpoch() {
  const epoch = state.at ?? own, words = say.epochAt(epoch, epoch === best);
  $("#epoch").value = epochs.indexOf(epoch);
  $("#epoch").setAttribute("aria-valuetext", words);
  $("#at").textContent = words;
}

$("#time").hidden = !others.length;
$("#epoch").max = epochs.length - 1;
$("#epoch").addEventListener("input", ({ target }) => {
  const epoch = epochs[target.value];
  state.at = epoch === own ? undefined : epoch;
  move();
  show();
});
$("#epoch").addEventListener("change", () => go({ at: state.at }, true));
