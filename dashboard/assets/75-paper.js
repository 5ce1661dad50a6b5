// A figure is drawn for the width that it has; on paper that is another, of which it is told before it is printed.
(function () {
  const PAPER = 690;    // pixels within the margins of A4
  matchMedia('print').addEventListener('change', function (e) {
    if (!window.Plotly) return;
    document.querySelectorAll('.js-plotly-plot').forEach(function (figure) {
      window.Plotly.relayout(figure, e.matches ? {autosize: false, width: PAPER} : {autosize: true, width: null});
    });
  });
})();
