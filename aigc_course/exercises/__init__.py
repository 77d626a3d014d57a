"""The exercises, one module a chapter; `aigc_course.check` finds every module in this folder."""
