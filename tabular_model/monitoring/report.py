def render(result, before): return b"x"
