// Draws a region that is long and only read, such as two hundred events, without a component for each of its parts:
// Dash looks at every component whenever any changes, and would take a minute for what a browser does in a moment.
// Such a region has the class `plain` and nothing in it but components of dash.html.
(function () {
  const milepost = window.milepost;
  const NAMES = {className: 'class', dateTime: 'datetime', tabIndex: 'tabindex', colSpan: 'colspan'};
  const OWN = ['open'];      // what whoever reads has opened stays open

  function draw(node, want) {
    if (typeof want !== 'object') {
      if (!node || node.nodeType !== Node.TEXT_NODE) return document.createTextNode(want);
      if (node.nodeValue !== String(want)) node.nodeValue = want;
      return node;
    }
    if (want.namespace !== 'dash_html_components') throw new Error('not plain: ' + want.type);
    const name = want.type.toLowerCase();
    const here = node && node.localName === name ? node : document.createElement(name);
    const said = {};
    for (const [prop, value] of Object.entries(want.props)) {
      if (prop !== 'children' && value !== null && value !== undefined && value !== false) said[NAMES[prop] || prop] = String(value);
    }
    for (const attribute of [...here.attributes]) if (!(attribute.name in said) && !OWN.includes(attribute.name)) here.removeAttribute(attribute.name);
    for (const [attribute, value] of Object.entries(said)) if (here.getAttribute(attribute) !== value) here.setAttribute(attribute, value);
    fill(here, want.props.children);
    return here;
  }
  function fill(element, children) {
    const wanted = [children].flat(Infinity).filter(one => one !== null && one !== undefined);
    wanted.forEach(function (want, place) {
      const node = element.childNodes[place], drawn = draw(node, want);
      if (drawn === node) return;
      if (node) element.replaceChild(drawn, node); else element.appendChild(drawn);
    });
    while (element.childNodes.length > wanted.length) element.lastChild.remove();
  }

  milepost.plain = fill;
})();
