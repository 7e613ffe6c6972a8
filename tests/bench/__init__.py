"""`make bench`: the site's relay beside a bare one, in the same run on the same core."""
