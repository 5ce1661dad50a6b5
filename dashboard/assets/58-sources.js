// The map of the sources from left to right, or from top to bottom where there is no room for that.
(function () {
  const narrow = window.matchMedia('(max-width:47.99em)');      // as 50-pages.css
  let maps = null;
  const fitting = () => narrow.matches ? maps.tall : maps.wide;
  // the height is the figure's own, and is said of its frame too: when a window changes its size the frame must not shrink under the picture
  const tall = figure => ({height: figure.layout.height + 'px'});
  narrow.addEventListener('change', function () {
    if (maps && document.getElementById('source-map')) window.dash_clientside.set_props('source-map', {figure: fitting(), style: tall(fitting())});
  });
  Object.assign(window.dash_clientside.milepost, {sourceMap: function (found) {
    const frame = document.getElementById('source-map'), nothing = window.dash_clientside.no_update;
    if (!found || !frame) return [nothing, nothing];
    maps = found;
    // most updates change nothing of it: drawn anew it would take away what somebody points at
    const drawn = JSON.stringify(fitting());
    if (frame.drawn === drawn) return [nothing, nothing];
    frame.drawn = drawn;
    return [fitting(), tall(fitting())];
  }});
})();
