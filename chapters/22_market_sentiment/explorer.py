"""What only the page of market sentiment shows: a headline of one's own, judged for each company in it."""

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from aigc_course import sentiment, widgets


def headline_reader(model: Pipeline, *, title: str, names: Sequence[str], n_shown: int = 6) -> Any:
    """A line for a headline and one for its companies, divided by semicolons; below them a verdict for each company.

    model: a fitted `sentiment.classifier`. title, names: what stands there at first. n_shown: how many features that
    spoke most for the verdict are named. Returns the ipywidgets box.
    """
    vectorizer, svm = model[0], model[-1]
    features = [name.partition("__")[2] for name in vectorizer.get_feature_names_out()]

    def verdict(headline: str, entity: str, others: tuple[str, ...]) -> str:
        if entity not in headline:
            return f"<tr><td>{html.escape(entity)}</td><td>is not in the headline, as it is spelt</td><td></td></tr>"
        x = vectorizer.transform([sentiment.Row(headline, entity, others, 0)])
        said = int(svm.decision_function(x).argmax())
        weight = x.multiply(svm.coef_[said]).toarray().ravel()
        strongest = [i for i in np.argsort(-weight)[:n_shown] if weight[i] > 0]
        why = " · ".join(html.escape(" ".join(features[i].split())) for i in strongest)
        return f"<tr><td>{html.escape(entity)}</td><td><b>{sentiment.LABELS[said]}</b></td><td>{why}</td></tr>"

    def draw(headline: str, companies: str) -> str:
        wanted = list(dict.fromkeys(name.strip() for name in companies.split(";") if name.strip()))[:8]
        rows = (verdict(headline[:300], name, tuple(other for other in wanted if other != name)) for name in wanted)
        head = "<tr><th>company</th><th>news for it</th><th>what spoke for that</th></tr>"
        return f"<table>{head}{''.join(rows)}</table>"

    alt = "A headline and the verdict for each of its companies, with the features that weighed most."
    return widgets.explore(draw, alt=alt, headline=title, companies="; ".join(names))
