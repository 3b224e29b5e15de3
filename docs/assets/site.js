// What scrolls sideways can be reached and scrolled by the keyboard, and says what it is.
document$.subscribe(() => {
  for (const box of document.querySelectorAll(".md-typeset__scrollwrap, .highlight code, pre > code")) {
    const inner = box.querySelector(".md-typeset__table") || box;
    if (Math.max(box.scrollWidth - box.clientWidth, inner.scrollWidth - inner.clientWidth) > 0) {
      box.tabIndex = 0;
    }
  }
});
