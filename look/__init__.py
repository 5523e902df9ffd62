"""Looking at runs and judging them: pictures, the page, the figures of quality."""
