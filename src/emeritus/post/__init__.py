"""Post: letters of the outbox become mail. Composed, signed (DKIM), and carried to a mail server (SMTP).

What is due, and what becomes of it, is the process's (`emeritus.process.mail`); bounces are read here.
"""

from emeritus.post.bounce import Bounce, read_bounce
from emeritus.post.dkim import DkimKey
from emeritus.post.message import Sender, compose
from emeritus.post.smtp import Server, SmtpPostman

__all__ = ["Bounce", "DkimKey", "Sender", "Server", "SmtpPostman", "compose", "read_bounce"]
