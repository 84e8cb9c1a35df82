"""What the profiles still tell, measured: attacks on real typing that went through the product's own redactor.

Not part of recording: nothing else imports this room, and it needs the extra ``[leakage]``. It prints figures and
never a decoded sample: the typing is real people's.
"""
