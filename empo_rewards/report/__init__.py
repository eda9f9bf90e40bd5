"""The report: scored groups as one page for a browser.

`numbers` computes what the page says about all groups, `comparison` what differs between two scores of a group,
`contents` collects the page's data group by group. `page` writes them into `page.html`, which is built from the sources
in `web/` (`make report-page`); `live` serves them while they grow.
"""

from __future__ import annotations

from empo_rewards.report.contents import Contents
from empo_rewards.report.page import write_page

__all__ = ["Contents", "write_page"]
