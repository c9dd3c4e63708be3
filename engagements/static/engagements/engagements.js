/* Engagement Creation: parameters of the chosen External API, picker, live preview;
   and the report that follows an open run. Without it every page works by reloading. */
"use strict";

(function () {
    const SETTLED = 400;
    const EVERY = 4000;

    function start() {
        const form = document.querySelector("[data-engagement-form]");
        if (form) {
            offerChoices(form);
            followChoices(form);
            followPreview(form);
            warnBeforeLeaving(form);
            wirePicker(form);
        }
        const report = document.getElementById("report");
        if (report) followReport(report);
    }

    async function post(url, data) {
        const response = await fetch(url, {method: "POST", body: data, credentials: "same-origin"});
        if (!response.ok) throw new Error(`The server answered ${response.status}`);
        return response.text();
    }

    /* Another External API or segment: the server draws the page with everything that
       was typed, and the parts that depend on the choice are taken from it. */
    function followChoices(form) {
        form.addEventListener("change", async (event) => {
            if (!["version", "segment"].includes(event.target.name)) return;
            const data = new FormData(form);
            data.append("_configure", event.target.name);
            try {
                const page = new DOMParser().parseFromString(await post(location.href, data), "text/html");
                for (const id of ["configure-parameters", "ambiguous-policy", "preview", "variables-groups"]) {
                    const fresh = page.getElementById(id);
                    if (fresh) document.getElementById(id).replaceChildren(...fresh.childNodes);
                }
                offerChoices(form);
            } catch {
                const button = document.createElement("button");
                Object.assign(button, {type: "submit", name: "_configure", value: event.target.name, hidden: true});
                form.append(button);
                form.requestSubmit(button);
            }
        });
    }

    /* Where only some values are allowed: a choice of them, beside the input that holds
       the value and into which a personalization variable is typed. */
    function offerChoices(form) {
        for (const input of form.querySelectorAll("input[list][data-value]:enabled")) {
            if (!input.dataset.isOffered) offerChoice(input);
        }
    }

    const typers = new WeakMap();

    function offerChoice(input) {
        const id = input.id;
        const select = document.createElement("select");
        const back = document.createElement("button");
        const values = [...input.list.options].map((option) => option.value);
        select.append(new Option(input.placeholder || "Choose a value", ""));
        select.append(...values.map((value) => new Option(value, value)));
        select.append(new Option("A personalization variable…", "{{"));
        Object.assign(back, {type: "button", className: "lb-button lb-button--default", textContent: "Choose from the list"});
        for (const name of ["aria-describedby", "aria-invalid"]) {
            if (input.hasAttribute(name)) select.setAttribute(name, input.getAttribute(name));
        }
        input.dataset.isOffered = "1";
        input.removeAttribute("list");
        input.before(select);
        input.after(back);

        // The label belongs to the one that is shown.
        function show(isTyped) {
            [select.hidden, input.hidden, back.hidden] = [isTyped, !isTyped, !isTyped];
            [select.id, input.id] = isTyped ? [`${id}-choice`, id] : [id, `${id}-typed`];
        }
        function set(value) {
            input.value = value;
            input.dispatchEvent(new Event("input", {bubbles: true}));
        }
        function type() {
            show(true);
            set("");
            input.focus();
            return input;
        }
        select.addEventListener("change", () => {
            if (select.value === "{{") return type();
            chosen = select.value;
            set(chosen);
        });
        back.addEventListener("click", () => {
            select.value = chosen;
            show(false);
            set(chosen);
            select.focus();
        });
        typers.set(select, type);
        const isTyped = input.value !== "" && !values.includes(input.value);
        let chosen = isTyped ? "" : input.value;
        select.value = chosen;
        show(isTyped);
    }

    function followPreview(form) {
        const panel = document.getElementById("preview");
        const person = document.getElementById("preview-person");
        let timer = 0;
        let newest = 0;

        async function refresh() {
            const mine = ++newest;
            try {
                const html = await post(form.dataset.preview, new FormData(form));
                // A slow answer must not cover a newer one.
                if (mine === newest) panel.innerHTML = html;
            } catch {
                panel.textContent = "The preview cannot be made right now. Press Preview to try again.";
            }
        }

        form.addEventListener("input", (event) => {
            const matters = "value" in event.target.dataset || ["preview_person", "name"].includes(event.target.name);
            if (!matters) return;
            clearTimeout(timer);
            timer = setTimeout(refresh, SETTLED);
        });
        form.addEventListener("click", (event) => {
            if (!event.target.closest("[data-preview-button]")) return;
            event.preventDefault();
            refresh();
        });
        person.addEventListener("keydown", (event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            refresh();
        });
    }

    function warnBeforeLeaving(form) {
        let isDirty = Boolean(form.querySelector(".lb-field--error"));
        form.addEventListener("input", (event) => {
            if (event.target.name !== "preview_person") isDirty = true;
        });
        form.addEventListener("submit", () => { isDirty = false; });
        window.addEventListener("beforeunload", (event) => {
            if (isDirty) event.preventDefault();
        });
    }

    /* The picker: arrow keys move, Enter inserts, Escape closes. */
    function wirePicker(form) {
        const dialog = document.getElementById("variables");
        const search = document.getElementById("variables-search");
        let target = null;

        function choices() {
            return [...dialog.querySelectorAll("[data-insert]")].filter((button) => !button.parentElement.hidden);
        }

        function filter() {
            const wanted = search.value.trim().toLowerCase();
            for (const button of dialog.querySelectorAll("[data-insert]")) {
                button.parentElement.hidden = !button.textContent.toLowerCase().includes(wanted);
            }
            for (const group of dialog.querySelectorAll("[data-group]")) {
                group.hidden = !group.querySelector("li:not([hidden])");
            }
            dialog.querySelector("[data-none]").hidden = choices().length > 0;
        }

        function insert(text) {
            dialog.close();
            if (typers.has(target)) target = typers.get(target)();
            const [from, to] = [target.selectionStart, target.selectionEnd];
            target.setRangeText(text, from ?? target.value.length, to ?? target.value.length, "end");
            target.focus();
            target.dispatchEvent(new Event("input", {bubbles: true}));
        }

        function move(step) {
            const all = choices();
            if (!all.length) return;
            const at = all.indexOf(document.activeElement);
            if (at + step < 0) search.focus();
            else all[Math.min(at + step, all.length - 1)].focus();
        }

        form.addEventListener("click", (event) => {
            const button = event.target.closest("[data-pick]");
            if (!button) return;
            target = document.getElementById(button.dataset.pick);
            search.value = "";
            filter();
            dialog.showModal();
            search.focus();
        });
        search.addEventListener("input", filter);
        dialog.addEventListener("click", (event) => {
            const choice = event.target.closest("[data-insert]");
            if (choice) insert(choice.dataset.insert);
            else if (event.target === dialog || event.target.closest("[data-close]")) dialog.close();
        });
        dialog.addEventListener("keydown", (event) => {
            if (event.key === "ArrowDown") move(1);
            else if (event.key === "ArrowUp") move(-1);
            else if (event.key === "Enter" && event.target === search && choices().length) insert(choices()[0].dataset.insert);
            else return;
            event.preventDefault();
        });
    }

    function followReport(report) {
        const state = report.querySelector("[data-state]").dataset.state;

        async function refresh() {
            const isOpen = report.querySelector("[data-open='1']");
            // Not under somebody's hands, and not for a hidden tab.
            if (isOpen && !document.hidden && !report.contains(document.activeElement)) {
                try {
                    const response = await fetch(report.dataset.refresh, {credentials: "same-origin"});
                    if (response.ok && !response.redirected) report.innerHTML = await response.text();
                    // Stopped, ended or paused by somebody else: the whole page is another.
                    if (report.querySelector("[data-state]").dataset.state !== state) location.reload();
                } catch {
                    // The next round tries again.
                }
            }
            if (isOpen) setTimeout(refresh, EVERY);
        }
        setTimeout(refresh, EVERY);
    }

    start();
})();
