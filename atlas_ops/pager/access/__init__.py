"""Who may use the pager over HTTP: tokens, sessions, the names that a proxy tells, and forms that nobody else can send."""
