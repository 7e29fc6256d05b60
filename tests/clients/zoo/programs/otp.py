"""django-otp-twilio: it sends a token, and lists nothing."""

import json
import os

import django
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_otp", "otp_twilio"],
    SECRET_KEY="of no use",
    OTP_TWILIO_ACCOUNT=os.environ["ACCOUNT"],
    OTP_TWILIO_AUTH=os.environ["PASSWORD"],
    OTP_TWILIO_FROM="+15005550006",
    OTP_TWILIO_TOKEN_TEMPLATE=os.environ["TEXT"],
    **({"OTP_TWILIO_URL": os.environ["BASE"]} if "BASE" in os.environ else {}),
)
django.setup()

from otp_twilio.models import TwilioSMSDevice  # noqa: E402

device = TwilioSMSDevice(number="+15005550009")
device.save = lambda *_, **__: None
device.generate_challenge()
print(json.dumps({"sid": "SM"}))
