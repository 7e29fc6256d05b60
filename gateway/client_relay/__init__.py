"""What `gateway run` puts between a program and the network: a proxy on 127.0.0.1 that leads Twilio's hosts
to the gateway, and the environment by which the program finds it."""
