"""The audit trail: who changed or opened what, in lines that nobody alters or removes unseen."""
