"""What replicas share (design 4.6): in memory for one replica, or in Redis for several."""
