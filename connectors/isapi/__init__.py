"""ANPR events that cameras push over HTTP as ISAPI `EventNotificationAlert`, with their pictures."""
