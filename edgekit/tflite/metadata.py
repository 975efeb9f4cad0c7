class Metadata: pass
def read_metadata(x): pass
