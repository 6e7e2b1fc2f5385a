"""Small language models on this machine's CPU, without a server beside this one."""
