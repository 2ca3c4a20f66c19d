site_closed = false
