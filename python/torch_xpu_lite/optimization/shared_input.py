def share_inputs(module):
    return None
