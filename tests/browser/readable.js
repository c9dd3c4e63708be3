/* Beside axe: a text is judged once in the colours that it is drawn in, not on each page. */
(() => {
    const rule = axe._audit.rules.find(({id}) => id === "color-contrast");
    const check = axe._audit.checks["color-contrast"];
    const {matches} = rule, {evaluate} = check;
    // Texts of this document that the rule is not about, or could not decide on.
    let left = new WeakSet();
    let known, found, grounds;

    const hasText = (element) => [...element.childNodes].some(
        (node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    const isDrawn = (element) =>
        hasText(element) || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);

    // What it is drawn on, and what changes the colours of both; null where it lies over
    // others, and those may be any.
    const ground = (element) => {
        if (!element) return {paint: "", change: ""};
        if (grounds.has(element)) return grounds.get(element);
        const style = getComputedStyle(element), outer = ground(element.parentElement);
        const {backgroundColor: paint, backgroundImage: picture} = style;
        const isOpaque = picture === "none" && !/[/]|rgba/.test(paint);
        const isClear = picture === "none" && paint === "rgba(0, 0, 0, 0)";
        const isOver = /absolute|fixed/.test(style.position);
        const change = `${style.opacity} ${style.filter} ${style.mixBlendMode}`;
        const found = !outer || (isOver && !isOpaque) ? null : {
            paint: isOpaque ? paint
                : isClear ? outer.paint : `${paint} ${picture} on ${outer.paint}`,
            change: (change === "1 none normal" ? "" : change) + outer.change,
        };
        grounds.set(element, found);
        return found;
    };
    const colours = (element) => {
        const on = ground(element);
        if (!on) return null;
        const style = getComputedStyle(element), parent = element.parentElement;
        const own = [style.color, style.fontSize, style.fontWeight, style.textShadow];
        // A link is told apart from the text that it stands in.
        if (element.tagName === "A" && hasText(parent))
            own.push(style.textDecorationLine, getComputedStyle(parent).color);
        return `${own.join(" ")} on ${on.paint} ${on.change}`;
    };
    const isReadable = (element) => {
        const drawn = colours(element);
        return drawn !== null && (known.has(drawn) || found.has(drawn));
    };

    rule.matches = function (element, ...others) {
        if (!isDrawn(element) || isReadable(element)) return false;
        const isMeant = matches.call(this, element, ...others);
        if (!isMeant) left.add(element);
        return isMeant;
    };
    check.evaluate = function (element, ...others) {
        const result = evaluate.call(this, element, ...others);
        const drawn = colours(element);
        if (result && drawn) found.add(drawn);
        if (result === undefined) left.add(element);
        return result;
    };

    // {violations, readable}; `readable` are colours, those of before and then the new ones.
    // With `isAgain` only colours changed since, and without new ones there is nothing to do.
    axe.look = async (options, readable, isAgain) => {
        // An icon is a word until its font is there, and no name of its button has that.
        await document.fonts.ready;
        known = new Set(readable.split("\n"));
        [found, grounds] = [new Set(), new Map()];
        const isNew = (element) => isDrawn(element) && element.checkVisibility()
            && !left.has(element) && !isReadable(element);
        if (isAgain && ![...document.body.querySelectorAll("*")].some(isNew))
            return {violations: [], readable: ""};
        if (!isAgain) left = new WeakSet();
        const {violations} = await axe.run(document, options);
        return {violations, readable: [...found].join("\n")};
    };
})();
