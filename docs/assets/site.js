// What a screen reader and a keyboard need beyond the theme.
document$.subscribe(() => {
  document.querySelector(".md-search")?.setAttribute("aria-label", "Search");
  // Landmarks are told apart by their names: a name that comes again is numbered.
  const seen = {};
  let number = 0;
  for (const nav of document.querySelectorAll("nav")) {
    const labelled = document.getElementById(nav.getAttribute("aria-labelledby") || "");
    const name = nav.getAttribute("aria-label") || labelled?.textContent.trim() || "Code";
    if (!(name in seen) && name !== "Code") { seen[name] = true; continue; }
    nav.removeAttribute("aria-labelledby");
    nav.setAttribute("aria-label", `${name} ${++number}`);
  }
  // What scrolls sideways is reached by the keyboard.
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset__table, pre > code")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
});
