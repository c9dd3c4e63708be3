"""What somebody says of an upload to a list."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from lemnisk_braze.lib.names import one_line
from segments.imports.reading.rows import FileError
from segments.lists import reading
from segments.lists.reading import Taken
from segments.models import ListUpload, UploadedList

PASTED = "What was pasted"
MOST_PASTED = 2_000_000


class UploadForm(forms.Form):
    """A file, or what is pasted, for a list that is there; `taken` once it is valid."""

    file = forms.FileField(
        required=False,
        widget=UnfoldAdminFileFieldWidget(
            attrs={
                "accept": ".csv,.tsv,.txt,.jsonl,.ndjson,.json,.parquet",
                "data-most": settings.IMPORT_MAX_BYTES,
                "aria-describedby": "file-help file-error",
            }
        ),
    )
    pasted = forms.CharField(
        label="Or paste them",
        required=False,
        max_length=MOST_PASTED,
        strip=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6, "spellcheck": "false"}),
        help_text="One on each line.",
    )
    mode = forms.ChoiceField(
        label="And then",
        choices=ListUpload.Mode.choices,
        initial=ListUpload.Mode.ADD,
        widget=UnfoldAdminRadioSelectWidget,
        help_text="Who is not in the file leaves a list that is replaced.",
    )

    def __init__(self, *args: Any, of_kind: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.of_kind = of_kind
        self.taken: Taken | None = None

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if self.errors:
            return said
        file, pasted = said.get("file"), said.get("pasted") or ""
        if bool(file) is bool(pasted.strip()):
            words = "Choose a file, or paste identifiers"
            raise ValidationError(f"{words}: not both." if file else f"{words}.")
        try:
            if file:
                self.taken = self._take(file.name, file.chunks())
            else:
                self.taken = self._take(PASTED, [pasted.encode()])
        except (FileError, UnicodeEncodeError) as e:
            self.add_error("file" if file else "pasted", str(e))
        return said

    def _take(self, name: str, blocks: Iterable[bytes]) -> Taken:
        kind = self.cleaned_data.get("kind") or self.of_kind
        return reading.take(name, blocks, kind)


class NewListForm(UploadForm):
    """The same with a list that is made for it."""

    name = forms.CharField(
        max_length=255,
        widget=UnfoldAdminTextInputWidget,
        help_text="Such as “Guests of the spring fair”.",
    )
    kind = forms.ChoiceField(
        label="Identifiers are",
        widget=UnfoldAdminSelectWidget,
        help_text="All of a list are of one kind. Who has one of them is on the list: "
        "those we know, and those who appear with it later. Of messages that come at "
        "once, an external ID, e-mail address or phone number counts from its message "
        "on, any other identifier as it is after the last one.",
    )
    field_order = ["name", "kind", "file", "pasted"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["mode"]
        kind = self.fields["kind"]
        assert isinstance(kind, forms.ChoiceField)
        kind.choices = reading.kinds()

    def clean_name(self) -> str:
        name = one_line(self.cleaned_data["name"].strip())
        if UploadedList.objects.filter(name=name).exists():
            raise ValidationError("A list has this name already.")
        return name
