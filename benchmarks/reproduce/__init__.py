"""The tables and figures of EMPO (arXiv 2504.05812): what they compare, how it is made, and how it is shown."""
