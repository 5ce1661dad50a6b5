// Brings a region of the page to a new content by touching only what differs.
// Dash mounts everything anew below a `children` that it is given: focus, selections, opened details and
// scroll positions would go with it, every five seconds.
(function () {
  const milepost = window.milepost;
  const isComponent = x => x && typeof x === 'object' && x.type && x.namespace && x.props;

  function find(node, id, path) {
    if (!node || typeof node !== 'object') return null;
    if (Array.isArray(node)) {
      for (let i = 0; i < node.length; i++) {
        const found = find(node[i], id, path.concat(i));
        if (found) return found;
      }
      return null;
    }
    if (!node.props) return null;
    if (node.props.id === id) return path;
    return find(node.props.children, id, path.concat('props', 'children'));
  }

  // what a component notes about itself is no difference
  const own = name => name === 'children' || name.indexOf('n_clicks') === 0 || name === 'loading_state' || name === 'setProps';

  function morph(old, next, path) {
    const changed = {};
    for (const name of new Set(Object.keys(old.props).concat(Object.keys(next.props)))) {
      if (!own(name) && JSON.stringify(old.props[name]) !== JSON.stringify(next.props[name])) changed[name] = next.props[name] === undefined ? null : next.props[name];
    }
    const a = old.props.children, b = next.props.children;
    // the browser itself keeps telling the same moment
    const told = next.type === 'Time' && next.props['data-tell'] && old.props.dateTime === next.props.dateTime;
    if (!told && !alike(a, b)) changed.children = b === undefined ? null : b;
    if (Object.keys(changed).length) window.dash_clientside.set_props(path, changed);
    if ('children' in changed || told) return;
    const here = path.concat('props', 'children');
    if (Array.isArray(b)) b.forEach((child, i) => isComponent(child) && morph(a[i], child, here.concat(i)));
    else if (isComponent(b)) morph(a, b, here);
  }
  // the same shape: the same components in the same places, and the same bare text between them
  function alike(a, b) {
    if (Array.isArray(b)) return Array.isArray(a) && a.length === b.length && b.every((x, i) => alike(a[i], x));
    if (isComponent(b)) return isComponent(a) && a.type === b.type && a.namespace === b.namespace && a.props.id === b.props.id;
    return !isComponent(a) && (a === b || (a == null && b == null));
  }

  milepost.morph = function (regions) {
    for (const [id, content] of Object.entries(regions || {})) {
      const element = document.getElementById(id);
      if (element && element.classList.contains('plain')) { milepost.plain(element, content); continue; }
      const path = find(window.dash_component_api.getLayout(['components']), id, ['components']);
      if (!path) continue;
      const old = window.dash_component_api.getLayout(path);
      morph(old, {...old, props: {...old.props, children: content}}, path);
    }
  };
  Object.assign(window.dash_clientside.milepost, {
    morph: function (regions) { milepost.morph(regions); return window.dash_clientside.no_update; },
    // the same, once what is more urgent has been drawn
    later: function (value) {
      if (!value || !window.requestIdleCallback) return value;
      return new Promise(resolve => requestIdleCallback(() => resolve(value), {timeout: 1000}));
    },
  });
})();
