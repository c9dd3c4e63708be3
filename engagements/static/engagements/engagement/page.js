// The page of an Engagement: Engagement Creation, and the report that follows an open run.
// Each part is a module beside this one; without them every page works by reloading.
import { followChoices } from "./configuration.js";
import { warnBeforeLeaving } from "./leaving.js";
import { wirePicker } from "./picker.js";
import { followPreview } from "./preview.js";
import { followReport } from "./report.js";
import { followSchedule } from "./next_times.js";
import { offerChoices } from "./value_choice.js";

const form = document.querySelector("[data-engagement-form]");
if (form) {
  offerChoices(form);
  followChoices(form);
  followPreview(form);
  followSchedule(form);
  warnBeforeLeaving(form);
  wirePicker(form);
}
const report = document.getElementById("report");
if (report) followReport(report);
