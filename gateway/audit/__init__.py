"""The audit trail: who changed or opened what, in lines that cannot be altered or removed unseen."""
