// The kinds of condition that the form has fields for: each has a blank one, says whether
// it can draw a rule as it is, and draws its fields.
import * as attribute from "./attribute.js";
import * as event from "./event.js";
import { data } from "./names.js";
import { everybody, list, segment, sent, share, snapshot } from "./others.js";
import * as sequence from "./sequence.js";

export const KINDS = { attribute, event, sequence, segment, sent, list, snapshot, share, everybody };

/** The kind of a condition; "" where the form has no fields for all that it says. */
export function kindOf(rule) {
  const kinds = Object.keys(KINDS).filter((kind) => Object.hasOwn(rule, kind));
  return kinds.length === 1 && KINDS[kinds[0]].canDraw(rule) ? kinds[0] : "";
}

const MORE = [
  ["items", "A list of objects", "Such as a policy that lapses within 30 days.", attribute.blankItems],
  ["sequence", "Several events in order", "One, then another, and perhaps not a third between them.", sequence.blank],
  ["segment", "In another segment", "Or not in it.", segment.blank],
  ["sent", "Sent an Engagement", "Or not sent to, ever or in the last days.", sent.blank],
  ["list", "In an uploaded list", "People of a file, whatever else is known of them.", list.blank],
  ["share", "A random share", "Always the same people, such as for a test group.", share.blank],
  ["everybody", "Everybody", "To take a share of all, or all but some.", everybody.blank],
];

/** What can be added besides events and attributes: {title, about, blank}, as the server knows them. */
export const more = () => MORE.filter(([kind]) => data.kinds?.includes(kind))
  .map(([, title, about, blank]) => ({ title, about, blank }));
